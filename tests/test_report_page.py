"""The page is always made, is complete in itself, and shows text as text."""

import json
import re
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from resray.analysis.results import Analysis
from resray.errors import InputError
from resray.report import write_report
from resray.report.contents import all_figures
from resray.report.sections import SYMBOL_PATHS
from resray.results.schema import TABLES
from resray.study.recipe_spec import Recipe
from tests.page_reader import Outline, figures_of, panels_of
from tests.report_builder import START, epochs_of, trial, write_results

STUDY = Path(__file__).parent.parent / "benchmarks" / "depth-family.yaml"
NAN = float("nan")
NO_FIGURES = dict.fromkeys(
    ("validation_accuracy", "test_accuracy", "test_accuracy_best", "test_accuracy_last",
     "best_epoch", "images_per_second", "seconds_training", "seconds_evaluating", "parameters",
     "multiply_adds", "device", "exclusive", "recipe", "reductions", "dataset_checksum",
     "world_size", "started", "ended", "epochs", "attempts", "data_source")
)  # fmt: skip


def page(folder: Path, **options: Any) -> str:
    """Return a report's HTML."""
    path = write_report(folder, folder / "out" / "report.html", **options)
    return path.read_text(encoding="utf-8")


def test_page_holds_answer_evidence_and_record(tmp_path: Path) -> None:
    rows = [trial(name, seed) for name in ("resnet18", "resnet50") for seed in (0, 1)]
    rows.append(trial("resnet34", status="failed", reason="diverged", error_class="DivergedError",
                      error_message="loss became <nan>", epochs_done=2))  # fmt: skip
    died = {"event": "died", "time": START, "epoch": 3, "attempt": 1, "detail": "killed"}
    events = [{**rows[0], **died}]
    events = [{key: event[key] for key in TABLES["events"] if key in event} for event in events]
    text = " ".join(Outline(page(write_results(tmp_path, rows, events=events, study=STUDY))).text)
    for expected in (
        "Five ResNet depths on CIFAR-10",
        "Does depth pay on 32x32 images?",
        "resnet50 has the highest measured test accuracy",
        "mmpretrain's model zoo, ResNet on CIFAR-10",
        "not comparable (other device)",
        "eight times the depth buys only about 3.7 points",
        "DivergedError",
        "loss became <nan>",
        "Interruptions and resumptions",
        "the author states no split; 5,000 training images are held out to select on",
        "9f8e7d6c5b4a",
        "2.13.0",
    ):
        assert expected in text


def test_page_is_well_formed_and_links_within_itself(tmp_path: Path) -> None:
    outline = Outline(page(write_results(tmp_path, [trial()], study=STUDY)))
    assert len(outline.ids) == len(set(outline.ids))
    inner = {address[1:] for address in outline.addresses if address.startswith("#")}
    assert inner
    assert inner <= set(outline.ids)


def test_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    html = page(write_results(tmp_path, [trial()], study=STUDY))
    # The name of a markup language, which nobody is asked for.
    html = html.replace("http://www.w3.org/2000/svg", "")
    assert all(a.startswith(("#", "data:")) for a in Outline(html).addresses)
    assert "default-src 'none'" in html
    assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttpRequest|WebSocket", html)


def test_every_trace_and_layout_is_valid_plotly(tmp_path: Path) -> None:
    rows = [trial(name, seed) for name in ("resnet18", "resnet50") for seed in (0, 1)]
    rows.append(trial("resnet34", exclusive=False))
    html = page(write_results(tmp_path, rows, study=STUDY))
    style = dict(re.findall(r"--([a-z0-9-]+): ([^;]+);", html))
    colour = re.compile(r'"@([a-z0-9-]+)(?:/[0-9]+)?"')
    figures = json.loads(colour.sub(lambda m: f'"{style[m[1]]}"', json.dumps(figures_of(html))))
    assert set(figures) == {"cost", "curves", "published", "time-to-accuracy",
                            "generalisation", "phases", "gradients", "time", "utilisation",
                            "timeline"}  # fmt: skip
    for payload in figures.values():
        for panel in panels_of(payload):
            assert panel["data"]
            go.Figure(panel["data"], panel["layout"])


def test_keys_can_draw_every_symbol(tmp_path: Path) -> None:
    rows = [trial("resnet18", trial_id=f"t{n}", recipe=json.dumps({"epochs": n})) for n in range(9)]
    figures = all_figures(Analysis.of(write_results(tmp_path, rows)))
    assert {series.symbol for series in figures["cost"].series} == set(SYMBOL_PATHS)


def test_times_of_shared_machines_are_marked(tmp_path: Path) -> None:
    html = page(write_results(tmp_path, [trial(exclusive=False), trial("resnet34")]))
    figures = figures_of(html)
    (cost,) = panels_of(figures["cost"], cost="training time")
    symbols = [trace.get("marker", {}).get("symbol") for trace in cost["data"]]
    assert ["circle-open", "square"] in symbols
    assert panels_of(figures["time"])[0]["data"][0]["y"] == ["resnet18 (shared)", "resnet34"]
    assert "shared machine: times not compared" in html


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "<b>bold</b>", "a'\"&%{y}\u2028"])
def test_hostile_text_stays_text(tmp_path: Path, hostile: str) -> None:
    row = trial(hostile, trial_id="x", study=hostile, device=hostile, dataset=hostile,
                reductions=json.dumps([hostile]), variant=hostile, host=hostile)  # fmt: skip
    failed = trial(hostile, 1, trial_id="y", status="failed", error_class=hostile,
                   error_message=hostile, reason=hostile)  # fmt: skip
    html = page(write_results(tmp_path, [row, failed]))
    assert hostile in Outline(html).text
    assert hostile not in html or "<" not in hostile
    for payload in figures_of(html).values():
        assert hostile not in json.dumps(payload, ensure_ascii=False) or "<" not in hostile


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "No answer yet: no trial has been recorded."),
        ([trial(status="pending", epochs_done=0) | NO_FIGURES], "No epoch has been recorded."),
        ([trial(status="failed", epochs_done=0)], "none of 1 trial has finished"),
        ([trial() | NO_FIGURES], "have no test accuracy"),
        ([trial(validation_accuracy=None, test_accuracy=None)], "was no validation split held out"),
        ([trial(epochs=1)], "there is nothing to compare it with"),
        ([trial(test_accuracy=NAN, seconds_training=NAN)], "have no test accuracy"),
        ([trial(recipe="{", reductions="{", multiply_adds=None)], "trained once"),
        ([trial(recipe="[1]", epochs_done=0)], "No epoch has been recorded."),
    ],
)
def test_whatever_is_missing_the_page_says_so(
    tmp_path: Path, rows: list[dict[str, Any]], says: str
) -> None:
    html = page(write_results(tmp_path, rows))
    text = " ".join(Outline(html).text)
    assert says in text
    assert "study.yaml is missing" in text
    assert not {"nan", "NaN", "None"} & set(re.findall(r"\w+", " ".join(text.split("None."))))


def test_curves_with_gaps_and_without_gradients_draw(tmp_path: Path) -> None:
    gradients = {"gradient_norm_first_stage": None, "gradient_norm_last_stage": NAN}
    epochs = [e | gradients | {"train_loss": NAN, "validation_loss": None, "validation_accuracy":
              None if e["epoch"] == 2 else 50.0} for e in epochs_of(trial(epochs=3))]  # fmt: skip
    html = page(write_results(tmp_path, [trial(epochs=3)], epochs=epochs))
    curves = figures_of(html)["curves"]
    lines = [trace["y"] for trace in panels_of(curves, quantity="accuracy")[0]["data"]]
    assert [50.0, None, 50.0] in lines
    assert all(trace["y"] == [None] * len(trace["y"])
               for trace in panels_of(curves, quantity="loss")[0]["data"])  # fmt: skip
    assert "No gradient norm has been recorded." in html


def test_chosen_trials_only(tmp_path: Path) -> None:
    write_results(tmp_path, [trial("resnet18"), trial("resnet152")])
    html = page(tmp_path, trial_ids=["resnet18-0-20"])
    assert "resnet18" in html
    assert "resnet152" not in html


def test_report_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_results(tmp_path / "results", [trial()])
    target = tmp_path / "reports" / "report.html"
    target.parent.mkdir()
    target.write_text("old", encoding="utf-8")
    assert write_report(tmp_path / "results", target) == target
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
    assert "old" not in target.read_text(encoding="utf-8")[:4]


def test_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trials/"):
        write_report(tmp_path, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_assumed_settings_stand_with_their_value_and_reason(tmp_path: Path) -> None:
    assumed = {
        "optimizer": "none stated",
        "optimizer.nesterov": "<i>never</i>",
        "clip_gradient_norm": "not said",
        "batch_size": "one of two",
        "question": "ours",
        "data.mean": "unstated",
        "schedule": "not told",
        "mixing.probability": "0.5 in the code",
        "model.groups": "no network here has them",
    }
    study = {"name": "s", "title": "t", "question": "q?", "recipe": {},
             "trials": [{"name": "resnet18"}], "assumed": assumed}  # fmt: skip
    (tmp_path / "s.yaml").write_text(json.dumps(study), encoding="utf-8")
    shared = {"model": "resnet50", "data": "cifar10", "epochs": 2, "optimizer": {"nesterov": True},
              "schedule": {"name": "constant"}}  # fmt: skip
    mixing = {64: {}, 128: {"mixup_alpha": 1.0, "probability": 0.5}}
    recipes = {size: {**shared, "batch_size": size, "mixing": mixing[size]} for size in mixing}
    rows = [trial(trial_id=f"t{size}", recipe=Recipe.model_validate(recipe).model_dump_json())
            for size, recipe in recipes.items()]  # fmt: skip
    text = Outline(page(write_results(tmp_path / "r", rows, study=tmp_path / "s.yaml"))).text
    cells = {key: text[text.index(why) - 1] for key, why in assumed.items()}
    assert cells == {
        "optimizer": "name: sgd, lr: 0.1, weight_decay: 0.0005, decay_norm_and_bias: true, "
        "momentum: 0.9, nesterov: true",
        "optimizer.nesterov": "true",
        "clip_gradient_norm": "off",
        "batch_size": "128 (resnet18 · batch_size=128), 64 (resnet18 · batch_size=64)",
        "question": "q?",
        "data.mean": "the dataset's own",
        "schedule": "name: constant",
        "mixing.probability": "0.5 (resnet18 · batch_size=128)",
        "model.groups": "not in use in these trials",
    }
