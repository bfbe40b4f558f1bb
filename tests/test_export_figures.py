"""Figures as files: one Plotly figure of all panels, and the points that it is drawn from."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import plotly.io
import pytest

from resray.errors import InputError
from resray.export.figures import Look, export_figure, pictured
from resray.export.sheets import load
from resray.figures.compose import Cell, placed
from resray.figures.drawing import chosen_views, drawn_panels, view_choices
from resray.figures.figure_data import figure_frame
from resray.figures.palette import coloured, palette
from resray.figures.plot import Panel
from resray.report.contents import all_figures
from tests.command_line import Resray, assert_refused
from tests.report_builder import epochs_of, trial, write_results

ROOT = Path(__file__).parent.parent
STUDY = ROOT / "benchmarks" / "depth-family.yaml"
SAMPLE = ROOT / "reports" / "sample" / "depth-family"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [trial(name, seed, epochs=4) for name in ("resnet18", "resnet50") for seed in (0, 1)]
    rows.append(trial("resnet34", epochs=4, exclusive=False))
    return write_results(tmp_path_factory.mktemp("figures") / "r", rows, study=STUDY)


def written(folder: Path, output: Path, figure: str, **options: Any) -> dict[str, Any]:
    """Return a figure as the JSON that is written."""
    path, _ = export_figure(folder, output, figure=figure, **options)
    return dict(json.loads(path.read_text()))


def axes_of(plot: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {key: axis for key, axis in plot["layout"].items() if re.match(r"[xy]axis", key)}


@pytest.mark.parametrize("study", ["depth-family", "resnet10-speed"])
def test_every_view_of_a_real_report_is_a_valid_plotly_figure(study: str) -> None:
    found = load([SAMPLE.parent / study])
    figures = all_figures(found)
    assert {"cost", "curves", "gradients", "time"} < set(figures)
    for figure in figures.values():
        views = [f"{switch}={option}" for switch, options in view_choices(figure).items()
                 for option in options]  # fmt: skip
        for view in views or [""]:
            plot = pictured(found, figure, Look(views=(view,) if view else ()))
            go.Figure(plot)
            panels = drawn_panels(figure, chosen_views(figure, [view] if view else []), ())
            texts = [note["text"] for note in plot["layout"]["annotations"]]
            titles = [panel.title for panel in panels]
            assert [text.replace("<br>", " ") for text in texts if text.replace("<br>", " ")
                    in titles] == titles  # fmt: skip
            assert '"@' not in json.dumps(plot), "every colour is resolved"


def test_panels_do_not_overlap(results: Path, tmp_path: Path) -> None:
    for width, rows in ((None, 1), (400, 2)):
        plot = written(results, tmp_path / "c.json", "curves", look=Look(width=width))
        axes = axes_of(plot)
        places = [(axes[f"xaxis{n}"]["domain"], axes[f"yaxis{n}"]["domain"]) for n in ("", "2")]
        (left, upper), (right, lower) = places
        assert (left[1] < right[0]) if rows == 1 else (lower[1] < upper[0])
        assert plot["layout"]["width"] == (width or 968)


def test_the_figure_can_be_changed_in_plotly(results: Path, tmp_path: Path) -> None:
    path, caption = export_figure(results, tmp_path / "curves.json", figure="curves")
    figure = plotly.io.read_json(path)
    assert figure.layout.title.text == "<b>Learning curves</b>"
    assert figure.layout.title.subtitle.text == "Five ResNet depths on CIFAR-10"
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert named == ["resnet18", "resnet34", "resnet50"]
    # A click on an entry of the key shows and hides what belongs to it.
    groups = {trace.name: trace.legendgroup for trace in figure.data if trace.showlegend}
    drawn = {trace.legendgroup for trace in figure.data if not trace.showlegend}
    assert set(groups.values()) <= drawn
    assert caption.startswith("Learning curves. ")


def test_reduced_runs_are_named_in_the_picture(tmp_path: Path) -> None:
    rows = [trial(name, epochs=3, reductions='["2,000 training images"]')
            for name in ("resnet18", "resnet50")]  # fmt: skip
    folder = write_results(tmp_path / "r", rows, study=STUDY)
    plot = written(folder, tmp_path / "c.json", "curves")
    assert plot["layout"]["title"]["subtitle"]["text"].endswith(" · Reduced runs")


def test_of_many_configurations_the_most_accurate_are_drawn(tmp_path: Path) -> None:
    rows = [trial(f"net-{number:02}", epochs=2, test_accuracy=50.0 + number)
            for number in range(25)]  # fmt: skip
    folder = write_results(tmp_path / "r", rows)
    plot = written(folder, tmp_path / "t.json", "time")
    labels = {label for trace in plot["data"] for label in trace["y"] or [] if label}
    assert labels == {f"net-{number}" for number in range(13, 25)}
    curves = written(folder, tmp_path / "c.json", "curves")
    named = [trace["name"] for trace in curves["data"] if trace["showlegend"]]
    assert sorted(named) == sorted(labels)
    for drawn in (plot, curves):
        note = drawn["layout"]["title"]["subtitle"]["text"]
        assert note.endswith("of 25 configurations the 12 most accurate")
    # The numbers are those of all.
    path, _ = export_figure(folder, tmp_path / "time.csv", figure="time")
    assert pd.read_csv(path)["y"].nunique() == 25
    only = written(folder, tmp_path / "c.json", "curves", select=["net-00", "net-01"])
    assert [trace["name"] for trace in only["data"] if trace["showlegend"]] == ["net-00", "net-01"]


def test_csv_holds_the_points_with_their_series(tmp_path: Path) -> None:
    rows = [trial(name, epochs=4) for name in ("resnet18", "resnet50")]
    folder = write_results(tmp_path / "r", rows, study=STUDY)
    path, _ = export_figure(folder, tmp_path / "c.csv", figure="curves")
    frame = pd.read_csv(path)
    assert list(frame.columns[:5]) == ["panel", "axis", "series", "trace", "kind"]
    panel = frame[(frame["panel"] == "Test accuracy (%)") & (frame["series"] == "resnet50")]
    lines = [part for _, part in panel.groupby("trace") if len(part) == 4]
    values = [row["test_accuracy"] for row in epochs_of(rows[1])]
    assert any(part["y"].tolist() == pytest.approx(values) for part in lines)
    assert set(frame["axis"]) == {"epoch"}
    loss, _ = export_figure(
        folder,
        tmp_path / "l.csv",
        figure="curves",
        look=Look(views=("quantity=loss", "along=time")),
    )
    frame = pd.read_csv(loss)
    assert set(frame["panel"]) == {"Validation loss (nats)", "Test loss (nats)"}
    assert set(frame["axis"]) == {"minutes of training"}


def test_a_views_options_are_those_of_the_figure(results: Path, tmp_path: Path) -> None:
    plot = written(results, tmp_path / "c.json", "curves", look=Look(views=("y=log",)))
    assert plot["layout"]["yaxis"]["type"] == plot["layout"]["yaxis2"]["type"] == "log"
    assert "type" not in plot["layout"]["xaxis"]
    for view, says in (
        (
            "quantity=los",
            "--view quantity=los: figure curves: quantity: 'los' is not known",
        ),
        ("quanity=loss", "--view quanity=loss: figure curves: 'quanity' is not known; did you"),
        ("y", "--view y: figure curves: y: '' is not known"),
    ):
        with pytest.raises(InputError, match=re.escape(says)):
            export_figure(results, tmp_path / "n.png", figure="curves", look=Look(views=(view,)))
    with pytest.raises(InputError, match="--view a=b: the figure phases has no switch"):
        export_figure(results, tmp_path / "n.png", figure="phases", look=Look(views=("a=b",)))
    assert not (tmp_path / "n.png").exists()


def test_a_theme_is_the_style_sheets(results: Path, tmp_path: Path) -> None:
    plots = {theme: written(results, tmp_path / "c.json", "cost", look=Look(theme=theme))
             for theme in ("light", "dark")}  # fmt: skip
    assert plots["light"]["layout"]["paper_bgcolor"] == "#ffffff"
    assert plots["dark"]["layout"]["paper_bgcolor"] == palette("dark")["panel"]
    first = {theme: [trace["marker"]["color"] for trace in plot["data"] if trace["showlegend"]]
             for theme, plot in plots.items()}  # fmt: skip
    assert first["light"][0] == palette("light")["series-0"] != first["dark"][0]
    with pytest.raises(InputError, match="--theme: 'drak' is not known; did you mean 'dark'"):
        Look(theme="drak")


def test_tokens_are_colours_only_where_a_colour_stands() -> None:
    colours = palette("light")
    part = {"text": "@ink", "marker": {"color": ["@ink", "red"], "colorscale": [[0, "@grid"]]},
            "fillcolor": "@series-0/20", "linecolor": "@nothing"}  # fmt: skip
    assert coloured(part, colours) == {
        "text": "@ink",
        "marker": {"color": [colours["ink"], "red"], "colorscale": [[0, colours["grid"]]]},
        "fillcolor": "rgba(0,103,165,0.2)",
        "linecolor": "@nothing",
    }


def test_the_dark_theme_changes_every_colour_of_the_light_one_that_data_has() -> None:
    light, dark = palette("light"), palette("dark")
    assert set(light) == set(dark)
    same = {name for name in light if light[name] == dark[name]}
    assert not {name for name in same if name.startswith(("series", "scale", "ink", "paper"))}


def test_height_and_width_are_as_asked_for_if_they_suffice(results: Path, tmp_path: Path) -> None:
    plot = written(results, tmp_path / "c.json", "curves", look=Look(width=1200, height=900))
    assert (plot["layout"]["width"], plot["layout"]["height"]) == (1200, pytest.approx(900))
    with pytest.raises(InputError, match=r"--height: \d+ pixels more are needed here"):
        export_figure(results, tmp_path / "c.json", figure="curves", look=Look(height=150))


HOSTILE = "<b>x</b><br>%{y} @ink &amp;"


def test_a_hostile_name_is_shown_letter_by_letter(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "r", [trial(HOSTILE, epochs=2), trial("@ink", epochs=2)])
    plot = written(folder, tmp_path / "c.json", "curves")
    names = [trace["name"] for trace in plot["data"] if trace["showlegend"]]
    assert sorted(names) == ["&lt;b&gt;x&lt;/b&gt;&lt;br&gt;&#37;{y} @ink &amp;amp;", "@ink"]
    path, _ = export_figure(folder, tmp_path / "t.csv", figure="time")
    assert {HOSTILE, "'@ink"} <= set(pd.read_csv(path)["y"])


def test_a_long_name_leaves_room_for_the_plot(tmp_path: Path) -> None:
    long = "net-" + "long&" * 30
    folder = write_results(tmp_path / "r", [trial(name, epochs=2) for name in (long, "short")])
    axis = written(folder, tmp_path / "t.json", "time")["layout"]["yaxis"]
    assert axis["tickvals"] == [long.replace("&", "&amp;"), "short"]
    assert axis["ticktext"] == [long[:43].replace("&", "&amp;") + "…", "short"]
    curves = written(folder, tmp_path / "c.json", "curves")
    names = [trace["name"] for trace in curves["data"] if trace["showlegend"]]
    assert names[0].endswith("…")
    assert names[1] == "short"


def test_a_figure_without_anything_to_draw_is_none(tmp_path: Path) -> None:
    row = trial(epochs=2)
    blank = {key: None for key in epochs_of(row)[0] if "loss" in key or "accuracy" in key}
    folder = write_results(tmp_path / "r", [row], epochs=[e | blank for e in epochs_of(row)])
    with pytest.raises(InputError, match="--name: 'curves' is not known"):
        export_figure(folder, tmp_path / "c.svg", figure="curves")


def test_values_that_are_not_finite_are_gaps(tmp_path: Path) -> None:
    row = trial(epochs=3)
    epochs = epochs_of(row)
    epochs[1] |= {"test_accuracy": float("nan"), "test_loss": float("inf")}
    folder = write_results(tmp_path / "r", [row], epochs=epochs)
    for view in ("quantity=accuracy", "quantity=loss"):
        plot = written(folder, tmp_path / "c.json", "curves", look=Look(views=(view,)))
        go.Figure(plot)
        assert not re.search(r"NaN|Infinity", (tmp_path / "c.json").read_text())


def test_a_panels_axes_and_shapes_move_together() -> None:
    layout = {
        "height": 300,
        "xaxis": {"domain": [0, 0.8]},
        "xaxis2": {"domain": [0.8, 1], "anchor": "y", "matches": "x"},
        "yaxis": {},
        "shapes": [{"x0": 1, "yref": "paper"}, {"xref": "x2", "yref": "y domain"}],
        "annotations": [{"text": "a"}],
    }
    traces: list[dict[str, Any]] = [
        {"x": [1], "y": [2]},
        {"x": [1], "y": [2], "xaxis": "x2", "meta": {"keys": ["s0"]}},
    ]
    made = placed(Panel("t", traces, layout), 2, Cell((0.5, 1), (0, 0.5)))
    assert made.layout["xaxis3"] == {"anchor": "y3", "domain": [0.5, 0.9]}
    assert made.layout["xaxis103"]["domain"] == pytest.approx([0.9, 1])
    assert made.layout["xaxis103"]["matches"] == "x3"
    assert made.layout["yaxis3"]["domain"] == [0, 0.5]
    refs = [(shape["xref"], shape["yref"]) for shape in made.layout["shapes"]]
    assert refs == [("x3", "y3 domain"), ("x103", "y3 domain")]
    assert (made.annotations[0]["xref"], made.annotations[0]["yref"]) == ("x3", "y3")
    assert [(trace["xaxis"], trace["yaxis"]) for trace in made.traces] == [
        ("x3", "y3"), ("x103", "y3")]  # fmt: skip
    assert "meta" not in made.traces[1]


def test_the_cells_of_a_heatmap_are_points() -> None:
    trace = {"type": "heatmap", "x": ["cat", "dog"], "y": ["cat"], "z": [[90.0, 10.0]]}
    found = load([SAMPLE])
    figure = all_figures(found)["cost"]
    frame = figure_frame(figure, [Panel("Share", [trace], {})], found)
    assert frame[["kind", "x", "y", "z"]].values.tolist() == [
        ["heatmap", "cat", "cat", 90.0], ["heatmap", "dog", "cat", 10.0]]  # fmt: skip


def test_only_what_was_measured_is_written(results: Path, tmp_path: Path) -> None:
    for figure, many in (("cost", 3), ("time-to-accuracy", None)):
        path, _ = export_figure(results, tmp_path / f"{figure}.csv", figure=figure)
        frame = pd.read_csv(path)
        assert frame["series"].notna().all()
        assert many is None or len(frame) == many
    # Thresholds are round numbers; in the figure points stand a little aside of them.
    assert (frame["x"] * 2 == (frame["x"] * 2).round()).all()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--name", "curve", "--output", "a.svg"), "--name: 'curve' is not known; did you"),
        (("--name", "cost", "--output", "a.tex"), "a figure is not written as latex; choose csv"),
        (("--name", "cost", "--output", "a.svg", "--format", "png"), "ends as svg; leave out"),
        (("--name", "cost", "--output", "no/a.svg"), "must be a file in a folder that exists"),
    ],
)
def test_mistakes_are_told_and_nothing_is_drawn(
    resray: Resray, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    assert_refused(resray("export", "figure", str(SAMPLE), *arguments), 2, says)
    assert list(tmp_path.iterdir()) == []


def test_without_kaleido_the_way_out_is_told(
    resray: Resray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # What an absent package looks like to find_spec.
    monkeypatch.setitem(sys.modules, "kaleido", None)
    answer = resray("export", "figure", str(SAMPLE), "--name", "cost", "--output", "a.png")
    assert_refused(answer, 2, r"pictures need kaleido; pip install \"resray\[images\]\"")
    assert list(tmp_path.iterdir()) == []


def test_the_key_shows_how_lines_are_dashed(tmp_path: Path) -> None:
    folder = write_results(tmp_path / "r", [trial(f"net{n}", epochs=3) for n in range(9)])
    plot = written(folder, tmp_path / "c.json", "curves")
    keys = [trace for trace in plot["data"] if trace.get("showlegend")]
    assert [trace["mode"] for trace in keys] == ["markers"] * 7 + ["lines+markers"] * 2
    assert [trace["line"]["dash"] for trace in keys] == ["solid"] * 7 + ["dashdot"] * 2
