"""What enters a mean, what configurations are called, and what may be compared."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from resray.analysis.published import Comparison, comparisons, signed_difference
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary, summarise
from resray.analysis.verdicts import verdicts
from resray.analysis.words import count, duration, with_interval
from resray.errors import InputError
from resray.figures.plot import plotly_text
from resray.report.answer import answer
from resray.report.payload import packed
from resray.report.record import split_settings
from resray.report.tables import table, text_cell
from resray.report.text import tag
from resray.study.recipe_spec import Recipe
from tests.page_reader import packed_in
from tests.report_builder import RECIPE, START, trial, write_results

TWO_VARIANTS = """
name: two
title: Two
question: Which?
recipe: {model: resnet18, data: cifar10, epochs: 20}
trials: [{name: a}, {name: b}]
variants: {large: {description: b in large batches, trials: {b: {batch_size: 64}}}}
"""
STUDY = Path(__file__).parent.parent / "benchmarks" / "depth-family.yaml"


def load(folder: Path, *rows: dict[str, Any], study: bool = True) -> Analysis:
    return Analysis.of(write_results(folder, list(rows), study=STUDY if study else None))


def recipe(**changes: object) -> str:
    return json.dumps({**RECIPE, "model": {"name": "resnet18"}, "epochs": 20, **changes})


def test_summary_is_mean_and_sample_deviation() -> None:
    assert summarise([1.0, 2.0, None, 3.0, float("nan")]) == Summary(2.0, 1.0, 3)
    assert summarise([4.0]) == Summary(4.0, None, 1)
    assert summarise([None, float("inf")]) is None


def test_only_completed_trials_enter_a_mean(tmp_path: Path) -> None:
    results = load(
        tmp_path,
        trial(seed=0, test_accuracy=90.0),
        trial(seed=1, test_accuracy=92.0),
        trial(seed=2, test_accuracy=10.0, status="stopped", reason="rung 1", epochs_done=3),
        trial(seed=3, test_accuracy=11.0, status="failed", epochs_done=4),
        trial(seed=4, test_accuracy=12.0, status="interrupted", epochs_done=5),
    )
    (group,) = results.groups
    assert group.summary("test_accuracy") == Summary(91.0, 2**0.5, 2)
    assert len(group.trials) == 5
    assert not group.partial


def test_trials_stopped_as_asked_are_averaged_with_each_other_only(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "status": "stopped",
        "reason": "stop-after 3",
        "stop_after": 3,
        "epochs_done": 3,
    }
    results = load(
        tmp_path,
        trial(seed=0, test_accuracy=94.0),
        trial(seed=0, trial_id="a", test_accuracy=60.0, **asked),
        trial(seed=1, trial_id="b", test_accuracy=62.0, **asked),
        trial(seed=2, trial_id="c", test_accuracy=9.0, **{**asked, "epochs_done": 1}),
    )
    whole, part = sorted(results.groups, key=lambda group: group.label)
    assert (whole.label, part.label) == ("resnet18", "resnet18 · stop_after=3")
    assert whole.summary("test_accuracy") == Summary(94.0, None, 1)
    assert part.summary("test_accuracy") == Summary(61.0, 2**0.5, 2)
    assert part.partial


def test_configurations_of_one_name_are_kept_apart_and_told_apart(tmp_path: Path) -> None:
    limited = recipe(data={**RECIPE["data"], "limit_train": 2000})
    rows = [
        trial(trial_id="a"),
        trial(trial_id="b", recipe=recipe(epochs=3)),
        trial(trial_id="c", recipe=limited),
        trial(trial_id="d", dataset_checksum="ab" * 32),
        trial(trial_id="e", world_size=2),
        trial("resnet34", trial_id="f"),
    ]
    results = load(tmp_path, *rows)
    assert [len(group.trials) for group in results.groups] == [1] * 6
    labels = set(results.labels.values())
    assert len(labels) == 6
    assert "resnet34" in labels
    assert any("limit_train=2000" in label for label in labels)
    assert any("world_size=2" in label for label in labels)


def test_label_takes_no_more_than_it_needs(tmp_path: Path) -> None:
    both = recipe(epochs=2, data={**RECIPE["data"], "limit_train": 2000})
    results = load(tmp_path, trial(trial_id="a", recipe=both), trial(trial_id="b"))
    assert sorted(results.labels.values()) == ["resnet18 · epochs=2", "resnet18 · epochs=20"]


def test_common_settings_and_differences(tmp_path: Path) -> None:
    results = load(tmp_path, trial("resnet18"), trial("resnet34"))
    common, differing = split_settings(results)
    assert differing == ["model.name"]
    assert common["optimizer.lr"] == 0.1


def test_settings_that_do_not_apply_are_no_part_of_the_recipe(tmp_path: Path) -> None:
    whole = {"data": "cifar10", "epochs": 2, "schedule": {"name": "constant"}}
    rows = [trial(name, recipe=Recipe.model_validate({**whole, "model": name}).model_dump_json())
            for name in ("resnet50", "resnext50_32x4d")]  # fmt: skip
    common, differing = split_settings(load(tmp_path, *rows))
    assert differing == ["model.name"]
    foreign = {"model.block", "model.groups", "optimizer.betas", "schedule.rise", "schedule.gamma"}
    assert not foreign & common.keys()
    assert {"model.stem", "optimizer.momentum", "schedule.warmup_epochs"} <= common.keys()


def test_chosen_trials_only_and_study_order(tmp_path: Path) -> None:
    write_results(tmp_path, [trial(name) for name in ("resnet50", "resnet18", "resnet34")],
                  study=STUDY)  # fmt: skip
    assert [g.name for g in Analysis.of(tmp_path).groups] == ["resnet18", "resnet34", "resnet50"]
    chosen = Analysis.of(tmp_path, trial_ids=["resnet34-0-20"])
    assert [row["name"] for row in chosen.rows] == ["resnet34"]
    assert set(chosen.epoch_table) == {"resnet34-0-20"}


def test_identical_duplicates_of_epochs_count_once(tmp_path: Path) -> None:
    write_results(tmp_path, [trial()])
    first = next((tmp_path / "epochs").glob("*.parquet"))
    (tmp_path / "epochs" / "copy.parquet").write_bytes(first.read_bytes())
    (rows,) = Analysis.of(tmp_path).epoch_table.values()
    assert rows["epoch"].tolist() == list(range(1, 21))


def test_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no results here; expected"):
        Analysis.of(tmp_path)


def test_damaged_study_file_is_named(tmp_path: Path) -> None:
    write_results(tmp_path, [trial()])
    (tmp_path / "study.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(InputError, match=r"study\.yaml:1: not valid YAML"):
        Analysis.of(tmp_path)


def published(results: Analysis, metric: str) -> Comparison:
    return next(item for item in comparisons(results) if item.published.metric == metric)


def test_published_accuracy_is_compared_with_its_remarks(tmp_path: Path) -> None:
    item = published(load(tmp_path, trial(epochs=20, test_accuracy=88.92)), "test_accuracy")
    assert item.difference == pytest.approx(1.0)
    assert signed_difference(item) == "+1.00\xa0points"
    assert item.notes == "20 epochs instead of 100; one seed"


@pytest.mark.parametrize(
    ("changes", "metric", "note"),
    [
        ({}, "seconds_training", "not comparable (other device)"),
        ({"device": "NVIDIA P100", "exclusive": False}, "seconds_training", "shared machine"),
        ({"reductions": '["x"]'}, "test_accuracy", "reduced run, not comparable"),
        ({"status": "failed"}, "test_accuracy", "not measured"),
    ],
)
def test_what_must_not_be_compared_has_no_difference(
    tmp_path: Path, changes: dict[str, Any], metric: str, note: str
) -> None:
    item = published(load(tmp_path, trial(**changes)), metric)
    assert item.difference is None
    assert note in str(item.notes)


def test_parameters_are_compared_even_in_reduced_runs(tmp_path: Path) -> None:
    item = published(load(tmp_path, trial(reductions='["x"]')), "parameters")
    assert signed_difference(item) == "+1.6\xa0%"


def test_numbers_as_text() -> None:
    assert (count(11_173_962), count(556_651_520), count(999)) == (
        "11.17\xa0M",
        "556.7\xa0M",
        "999",
    )
    assert duration(4.24) == "4.2\xa0s"
    assert duration(750) == "12\xa0min 30\xa0s"
    assert duration(13140) == "3\xa0h 39\xa0min"
    assert with_interval(Summary(93.123, None, 1)) == "93.12"
    assert with_interval(Summary(93.123, 0.155, 3)) == "93.12\xa0±\xa00.39"
    assert with_interval(None) == "–"


def test_text_is_harmless_in_each_language() -> None:
    assert tag("p", "<b>&", title='"') == '<p title="&quot;">&lt;b&gt;&amp;</p>'
    assert "<script>" not in table("<script>", [[text_cell("<script>", "<script>")]], id="a")
    assert plotly_text("<b>%{x}") == "&lt;b&gt;&#37;{x}"
    assert plotly_text("$x$") == "&#36;x&#36;"
    html = packed("a", {"a": ["</script>\u2028", "\ud800"]})
    assert not set("<>\u2028") & set(html.partition(">")[2].removesuffix("</script>"))
    assert json.loads(packed_in(html)["a"]) == {"a": ["</script>\u2028", "\ud800"]}


def test_seeds_that_an_older_version_wrote_join_the_newer_ones(tmp_path: Path) -> None:
    """It wrote fewer keys for the same recipe, under the same trial_id."""
    whole = Recipe.model_validate({"model": "resnet18", "data": "cifar10", "epochs": 20})
    older = whole.model_dump(mode="json", exclude_defaults=True)
    rows = [trial(seed=seed, recipe=whole.model_dump_json()) for seed in (1, 2)]
    results = load(tmp_path, trial(seed=0, recipe=json.dumps(older)), *rows)
    (group,) = results.groups
    assert len(group.finished) == 3
    assert group.label == "resnet18"


def test_study_file_of_an_older_version_is_read_with_its_claims(tmp_path: Path) -> None:
    content = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    claims = [{"id": claim["id"], "text": claim["text"]} for claim in content["claims"]]
    write_results(tmp_path, [trial()])
    text = yaml.safe_dump(content | {"claims": claims})
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    found = verdicts(Analysis.of(tmp_path))
    assert [each.claim.id for each in found] == [claim["id"] for claim in claims]
    assert {each.why for each in found} == {"this study file states no check"}


def test_trial_of_several_variants_is_ranked_in_each(tmp_path: Path) -> None:
    study = tmp_path / "written.yaml"
    study.write_text(TWO_VARIANTS, encoding="utf-8")
    larger = recipe(batch_size=64)
    rows = [trial("a", recipe=recipe()), trial("b", recipe=larger, variant="large")]
    results = Analysis.of(write_results(tmp_path / "r", rows, study=study))
    assert "highest measured test accuracy of 2 configurations" in " ".join(answer(results))


def test_report_imports_neither_torch_nor_ray() -> None:
    code = "import resray.report, sys; assert not {'torch', 'ray'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_stand_in_for_a_model_is_part_of_the_label(tmp_path: Path) -> None:
    stand_in: dict[str, Any] = {
        "model": "wrn-16-2",
        "reductions": '["2 of 100 epochs", "wrn-16-2 in place of wrn-28-10"]',
    }
    results = load(
        tmp_path,
        trial("session-02", trial_id="a", **stand_in),
        trial("session-02", trial_id="b", recipe=recipe(epochs=30), model="wrn-28-10"),
        trial("resnet18", trial_id="c", reductions='["embedded images in place of cifar10"]'),
    )
    assert results.labels == {
        "a": "session-02 (wrn-16-2)",
        "b": "session-02",
        "c": "resnet18",
    }


def test_rows_are_plain_values(tmp_path: Path) -> None:
    rows = [trial(seed=0, stop_after=7, test_accuracy=math.nan), trial(seed=1, stop_after=None)]
    first, second = Analysis.of(write_results(tmp_path, rows)).rows
    assert first["test_accuracy"] is None, "what is no number was not measured"
    assert (first["stop_after"], second["stop_after"]) == (7, None)
    assert type(first["stop_after"]) is int, "beside a missing one, too"
    assert first["started"] == START
    assert second["exclusive"] is True


def test_tables_are_tidy_frames(tmp_path: Path) -> None:
    rows = [trial("resnet18", seed=seed, epochs=3) for seed in (0, 1)]
    one, other = (write_results(tmp_path / name, rows) for name in "ab")
    alone, several = Analysis.of(one), Analysis.of([one, other])
    assert list(alone.trials["configuration"]) == ["resnet18", "resnet18"]
    means = several.trials.groupby("configuration")["test_accuracy"].count()
    assert dict(means) == {"resnet18 · source=a": 2, "resnet18 · source=b": 2}
    assert len(several.epochs) == 2 * len(alone.epochs)
    assert set(several.epochs["source"]) == {"a", "b"}
    only = Analysis.of(one, trial_ids=[alone.rows[0]["trial_id"]])
    assert len(only.trials) == 1
    assert len(only.epochs) == len(alone.epochs) / 2
    assert list(alone.evaluations.columns) == [*alone.tables["evaluations"].column_names,
                                               "configuration"]  # fmt: skip
