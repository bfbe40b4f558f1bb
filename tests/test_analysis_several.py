"""Several results folders as one: names, ids, what belongs to whom."""

import json
from pathlib import Path

import pytest

from resray.analysis.evaluations import ensembles, evaluated
from resray.analysis.matching import NotMatchedError, matched
from resray.analysis.metrics import values_of
from resray.analysis.results import Analysis
from resray.analysis.verdicts import judged_folder, verdicts
from resray.errors import InputError
from resray.report.claims_section import claims_section
from resray.report.folders_section import folders_section
from resray.report.page import render
from resray.results.folders import short_names
from resray.study.search_spec import SearchSettings
from tests.folders_case import folder, seeds_of
from tests.report_builder import START, evaluation, trial, write_results
from tests.search_builder import GRID, SearchBuilder


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["results/depth", "results/width"], ["depth", "width"]),
        (["/runs/a/results/depth", "/runs/b/results/depth"], ["a", "b"]),
        (["/runs/a/results/depth", "/runs/b/other/width"], ["depth", "width"]),
        (["/a/1/depth", "/a/2/depth", "/b/1/depth"], ["a/1/depth", "a/2/depth", "b/1/depth"]),
        (["/depth", "/b/depth"], ["depth", "b/depth"]),
        (["/runs/a/", "/runs/b/../b"], ["a", "b"]),
    ],
)
def test_folders_are_called_by_what_tells_them_apart(paths: list[str], names: list[str]) -> None:
    assert short_names([Path(path) for path in paths]) == names


def test_configurations_of_two_folders_stand_beside_each_other(tmp_path: Path) -> None:
    rows = [*seeds_of("resnet34", 90, 91), *seeds_of("resnet18", 80, 81)]
    first = folder(tmp_path / "a" / "depth", rows)
    second = folder(tmp_path / "b" / "depth", rows, seeds_of("resnet50", 95))
    results = Analysis.of([first, second])
    assert [group.label for group in results.groups] == [
        "resnet18 · source=a", "resnet18 · source=b", "resnet34 · source=a", "resnet34 · source=b",
        "resnet50",
    ]  # fmt: skip
    assert [len(group.trials) for group in results.groups] == [2, 2, 2, 2, 1]
    assert list(results.sources) == ["a", "b"]
    assert results.study == Analysis.of(first).study


def test_the_same_trial_in_two_folders_keeps_its_own_epochs_and_events(tmp_path: Path) -> None:
    one, other = trial(epochs=3), trial(epochs=3)
    event = {key: one[key] for key in ("trial_id", "study", "name", "seed")} | {"time": START}
    epochs = [{**event, "epoch": 1, "train_loss": loss} for loss in (1.0, 2.0)]
    for epoch in epochs:
        del epoch["time"]
    paths = [
        write_results(tmp_path / name, [row], epochs=[epoch], events=[event | {"event": name}])
        for name, row, epoch in (("a", one, epochs[0]), ("b", other, epochs[1]))
    ]
    results = Analysis.of(paths)
    ids = [row["trial_id"] for row in results.rows]
    assert len(set(ids)) == 2
    assert [float(results.epoch_table[one]["train_loss"].iloc[0]) for one in ids] == [1.0, 2.0]
    assert list(results.epoch_table.arrays("train_loss", ids)[:, 0]) == [1.0, 2.0]
    assert {event["trial_id"]: event["event"] for event in results.event_rows} == dict(
        zip(ids, "ab", strict=True)
    )
    assert set(results.labels) == set(ids)


def test_evaluations_and_ensembles_stay_with_their_folder(tmp_path: Path) -> None:
    rows = seeds_of("resnet18", 90, 91)
    members = json.dumps([row["trial_id"] for row in rows])
    paths = []
    for name, better in (("a", 0.0), ("b", 1.0)):
        own = [evaluation(row, "tta", 92 + better, condition="10 views") for row in rows]
        checkpoint = "best.pt@" + ",".join(str(row["best_epoch"]) for row in rows)
        own.append(evaluation(rows[0], "ensemble", 93 + better, trial_id="both", members=members,
                              seed=None, checkpoint=checkpoint))  # fmt: skip
        paths.append(write_results(tmp_path / name, rows, evaluations=own))
    results = Analysis.of(paths)
    first, second = results.groups
    assert list(values_of(results, first, "tta_accuracy").values()) == [92, 92]
    assert list(values_of(results, second, "tta_accuracy").values()) == [93, 93]
    assert values_of(results, second, "ensemble_accuracy") == {None: 94}
    assert [one.label for one in evaluated(results)] == [first.label, second.label]
    assert sorted(one.accuracy for one in ensembles(results)) == [93, 94]


def test_of_two_searches_the_newest_is_shown(tmp_path: Path) -> None:
    for name, points in (("a", GRID[:6]), ("b", GRID[6:10])):
        builder = SearchBuilder(tmp_path / name, SearchSettings(scheduler="halving", grace=1))
        builder.halve(points)
        builder.confirm(2)
        builder.written()
    first, second = (Analysis.of(tmp_path / name) for name in "ab")
    results = Analysis.of([tmp_path / "a", tmp_path / "b"])
    assert len(results.search.trials) == len(second.search.trials)
    assert results.search.others == len(first.search.trials)
    known = {row["trial_id"] for row in results.search.trials}
    assert known == {f"b/{row['trial_id']}" for row in second.search.trials}
    assert set(results.search.epochs) == known
    assert {row["trial_id"] for row in results.search.decisions} <= known
    assert len(results.search.decisions) == len(second.search.decisions) > 0
    assert {row["source"] for row in results.rows} == {"a", "b"}, "both are confirmed"
    render(results)


def test_names_can_be_given(tmp_path: Path) -> None:
    paths = [folder(tmp_path / name / "depth", seeds_of("resnet18", 90)) for name in "ab"]
    results = Analysis.of(paths, ["before", None])
    assert [group.label for group in results.groups] == [
        "resnet18 · source=before", "resnet18 · source=b",
    ]  # fmt: skip
    with pytest.raises(InputError, match="another folder is called 'b', too"):
        Analysis.of(paths, ["b", None])


def test_one_folder_is_read_as_ever(tmp_path: Path) -> None:
    path = folder(tmp_path / "depth", seeds_of("resnet18", 90))
    assert [row["trial_id"] for row in Analysis.of([path], ["x"]).rows] == ["resnet18-0-20"]
    assert folders_section(Analysis.of([path])) == ""


def test_a_folder_is_named_once(tmp_path: Path) -> None:
    path = folder(tmp_path / "depth", seeds_of("resnet18", 90))
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(InputError, match=r"link: named twice \(the same as "):
        Analysis.of([path, tmp_path / "link"])


def test_a_claim_is_not_tested_across_folders(tmp_path: Path) -> None:
    first = folder(tmp_path / "a", seeds_of("resnet34", 90, 91))
    other = folder(tmp_path / "b", seeds_of("resnet18", 80, 81))
    with pytest.raises(NotMatchedError, match="no finished runs of resnet34, resnet18 share"):
        matched(Analysis.of([first, other]), [("resnet34", None), ("resnet18", None)])


def test_claims_are_judged_on_the_first_folder_with_a_study(tmp_path: Path) -> None:
    bare = folder(tmp_path / "bare", seeds_of("resnet18", 80, 81), study=None)
    names = ("resnet18", "resnet34", "resnet152")
    first, other = (
        folder(tmp_path / name, *(seeds_of(each, mean, mean + 0.1) for each in names))
        for name, mean in (("first", 90), ("other", 70))
    )
    several = Analysis.of([bare, first, other])
    assert judged_folder(several) == "first"
    assert verdicts(several) == verdicts(Analysis.of(first))
    assert "Judged on the folder first alone. " in claims_section(several)
    assert "Judged on" not in claims_section(Analysis.of(first))
