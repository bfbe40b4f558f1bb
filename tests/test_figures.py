"""The figures as functions, as a notebook calls them."""

import inspect
from pathlib import Path
from typing import get_args

import plotly.graph_objects as go
import pytest

from resray import figures
from resray.analysis.results import Analysis
from resray.errors import InputError
from resray.report.contents import HEADLINES, SECTIONS, all_figures, headline
from resray.study.spec import Headline
from tests.report_builder import changed, trial, write_results

SAMPLE = Path(__file__).parent.parent / "reports" / "sample" / "basicblock-depth"
DRAWN = {"learning_curves", "accuracy_against_cost", "published_against_measured", "confusion",
         "time_to_accuracy", "generalisation_gap", "robustness", "corruption_severity", "phases",
         "class_accuracy", "gradient_norms", "time_per_epoch", "timeline"}  # fmt: skip
"""What the sample holds something for."""


@pytest.fixture(scope="module")
def sample() -> Analysis:
    return figures.drawn.opened(SAMPLE)


@pytest.mark.parametrize("name", figures.__all__)
def test_each_function_returns_a_figure_or_says_why_it_is_empty(
    name: str, sample: Analysis
) -> None:
    made = getattr(figures, name)(sample)
    assert isinstance(made, go.Figure)
    assert bool(made.data) == (name in DRAWN)
    if name not in DRAWN:
        assert "nothing is recorded" in made.layout.annotations[0].text


def test_there_is_a_function_for_each_figure_of_the_page() -> None:
    makers = {maker.__name__ for part in SECTIONS for maker in part.figures.values()}
    sources = [inspect.getsource(getattr(figures, name)) for name in figures.__all__]
    assert makers == {
        maker for maker in makers if any(f"drawn({maker}," in text for text in sources)
    }
    assert len(makers) == len(sources)


def test_options_change_what_is_drawn(sample: Analysis) -> None:
    accuracy, loss = (figures.learning_curves(sample, y=name) for name in ("accuracy", "loss"))
    assert [title.text for title in accuracy.layout.annotations] == [
        "Validation accuracy (%)", "Test accuracy (%)"
    ]  # fmt: skip
    assert loss.layout.annotations[0].text == "Validation loss (nats)"
    along = figures.learning_curves(sample, x="time").layout.xaxis.title.text
    assert along == "minutes of training"


def test_themes_are_templates_of_plotly(sample: Analysis) -> None:
    light, dark = (figures.phases(sample, theme=theme) for theme in ("light", "dark"))
    assert light.layout.template.layout.paper_bgcolor != dark.layout.template.layout.paper_bgcolor
    assert len(light.layout.template.layout.colorway) == 7


def test_several_folders_stand_beside_each_other(tmp_path: Path) -> None:
    folders = [write_results(tmp_path / name, [trial("resnet18")]) for name in "ab"]
    made = figures.learning_curves([str(folder) for folder in folders])
    assert {each.name for each in made.data if each.showlegend} == {
        "resnet18 · source=a", "resnet18 · source=b"
    }  # fmt: skip


def test_what_is_not_there_is_told_in_a_line(tmp_path: Path, sample: Analysis) -> None:
    with pytest.raises(InputError, match=r"quantity: 'acc' is not known .*accuracy, error, loss"):
        figures.learning_curves(sample, y="acc")
    with pytest.raises(InputError, match=r"theme: 'blue' is not known .dark, light"):
        figures.timeline(sample, theme="blue")
    with pytest.raises(InputError, match="no results here"):
        figures.phases(tmp_path)


def test_a_study_names_the_picture_at_the_top(tmp_path: Path, sample: Analysis) -> None:
    assert set(get_args(Headline)) == HEADLINES.keys() <= set(figures.__all__)
    made = all_figures(sample)
    fitting = headline(sample, made)
    assert fitting
    assert fitting.id == "cost"
    assert sample.study
    named = sample.study.model_copy(update={"headline": "learning_curves"})
    chosen = headline(changed(sample, study=named), made)
    assert chosen
    assert chosen.id == "curves"
