"""Comparing results folders: what belongs together, what differs, what can be judged."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.compare import Compared, Folders, compare, matched
from resray.analysis.compare_words import words
from resray.analysis.contrasts import Method, all_shown, contrasts
from resray.analysis.pairs import Differing, by_difference, where
from resray.analysis.results import Analysis
from resray.errors import InputError
from resray.report.folders_section import folders_section
from resray.study.metrics import METRICS
from tests.folders_case import around, folder, seeds_of, taking
from tests.report_builder import RECIPE, evaluation, trial, write_results

A_LITTLE = (0.01, 0.0, -0.01)


def recipe(**changes: Any) -> str:
    return json.dumps({**RECIPE, "model": {"name": "resnet18"}, "epochs": 20, **changes})


def rate(value: float) -> str:
    return recipe(optimizer={"name": "sgd", "lr": value, "momentum": 0.9})


def of(*paths: Path) -> Folders:
    return matched({path.name: Analysis.of(path) for path in paths})


def only(found: list[Compared]) -> Compared:
    (one,) = found
    return one


def one_of(tmp_path: Path, metric: str = "test_accuracy", **changes: Any) -> Compared:
    """Return a comparison of three seeds with three that were two points better and changed."""
    first = folder(tmp_path / "a", seeds_of("resnet18", *around(90, 0, 0, 0)))
    second = folder(tmp_path / "b", seeds_of("resnet18", *around(92, *A_LITTLE), **changes))
    return only(compare(of(first, second), [metric])[metric])


# --- what belongs together ----------------------------------------------------------------------


def test_configurations_are_matched_by_name_whatever_their_recipe(tmp_path: Path) -> None:
    first = folder(tmp_path / "a", seeds_of("resnet18", 90, recipe=rate(0.1)),
                   seeds_of("resnet34", 91))  # fmt: skip
    second = folder(tmp_path / "b", seeds_of("resnet50", 92),
                    seeds_of("resnet18", 90, recipe=rate(0.2)))  # fmt: skip
    matching = of(first, second).matchings["b"]
    assert [pair.label for pair in matching.pairs] == ["resnet18"]
    assert [group.label for group in matching.only_first] == ["resnet34"]
    assert [group.label for group in matching.only_second] == ["resnet50"]


def test_of_several_recipes_the_nearest_go_together(tmp_path: Path) -> None:
    def rows(*recipes: str) -> list[dict[str, Any]]:
        return [trial(trial_id=str(place), recipe=one) for place, one in enumerate(recipes)]

    both = {"batch_size": 64, "optimizer": {"name": "sgd", "lr": 0.3, "momentum": 0.9}}
    first = folder(tmp_path / "a", rows(rate(0.1), rate(0.2), recipe(**both)))
    second = folder(tmp_path / "b", rows(rate(0.3), rate(0.2)))
    pairs = of(first, second).matchings["b"].pairs
    rates = [(pair.first.settings["optimizer.lr"], pair.second.settings["optimizer.lr"])
             for pair in pairs]  # fmt: skip
    assert sorted(rates) == [(0.1, 0.3), (0.2, 0.2)]


def test_what_confirms_a_search_is_matched_with_its_like(tmp_path: Path) -> None:
    first = folder(tmp_path / "a", seeds_of("resnet18", 90))
    second = folder(tmp_path / "b", seeds_of("resnet18", 90, role="confirmation"))
    assert not of(first, second).pairs


def test_selected_configurations_are_compared_alone(tmp_path: Path) -> None:
    rows = [*seeds_of("resnet18", 90), *seeds_of("resnet34", 90), *seeds_of("wrn-16-4", 90)]
    sources = {name: Analysis.of(folder(tmp_path / name, rows)) for name in "ab"}
    chosen = matched(sources, ["resnet*"])
    assert [pair.label for _, pair in chosen.pairs] == ["resnet18", "resnet34"]
    with pytest.raises(InputError, match="--select: 'vgg' is not known"):
        matched(sources, ["resnet*", "vgg"])


# --- what differs -------------------------------------------------------------------------------


def test_what_differs_is_told_once_for_all_configurations(tmp_path: Path) -> None:
    old = {"device": "NVIDIA A100", "torch_version": "2.12.0", "git_commit": "a" * 40}
    first = folder(tmp_path / "a", seeds_of("resnet18", 90, 91), seeds_of("resnet34", 90))
    second = folder(
        tmp_path / "b",
        seeds_of("resnet18", 90, **old, recipe=rate(0.2)),
        seeds_of("resnet34", 90, **old),
    )
    pairs = of(first, second).matchings["b"].pairs
    told = {one: where(labels, pairs) for one, labels in by_difference(pairs).items()}
    assert told[Differing("device", "NVIDIA H200", "NVIDIA A100")] == "all"
    assert told[Differing("PyTorch", "2.13.0", "2.12.0")] == "all"
    assert told[Differing("commit", "ed9ed45aa0c7", "a" * 12)] == "all"
    assert told[Differing("optimizer.lr", "0.1", "0.2")] == "resnet18"
    assert told[Differing("seeds", "0, 1", "0")] == "resnet18"
    assert len([one for one in told if one.what == "device"]) == 1


def test_recipes_of_an_older_version_with_fewer_keys_do_not_differ(tmp_path: Path) -> None:
    older = json.loads(recipe())
    del older["precision"], older["schedule"]["milestones"]
    first = folder(tmp_path / "a", seeds_of("resnet18", 90, recipe=recipe()))
    second = folder(tmp_path / "b", seeds_of("resnet18", 90, recipe=json.dumps(older)))
    assert by_difference(of(first, second).matchings["b"].pairs) == {}


# --- what can be judged -------------------------------------------------------------------------


def test_a_difference_is_the_other_folder_minus_the_first(tmp_path: Path) -> None:
    one = one_of(tmp_path)
    assert one.difference is not None
    assert one.difference.value == pytest.approx(2)
    assert one.difference.estimate.method == Method.WELCH
    assert (one.verdict, one.why) == ("shown", None)
    assert one.percent == pytest.approx(100 * 2 / 90.0666667)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reductions": '["2 of 20 epochs"]'}, "other length"),
        ({"reductions": '["500 training images"]'}, "reduced otherwise: 500 training images"),
        ({"stop_after": 5, "status": "stopped", "epochs_done": 5}, "other length"),
        ({"dataset_checksum": "00"}, "other data"),
        ({"test_images": 100}, "other test images"),
        ({"model": "resnet10", "reductions": '["resnet10 in place of resnet18"]'},
         "another model stands in: resnet10 in place of resnet18"),
        ({"status": "failed"}, "none finished (3 failed) in b"),
        ({"test_accuracy_best": 95.0}, None),
        ({"recipe": rate(0.2), "reductions": '["changed: optimizer.lr=0.2"]'}, None),
        ({"device": "NVIDIA A100", "exclusive": False}, None),
    ],
)  # fmt: skip
def test_accuracies_are_judged_where_data_length_and_reductions_agree(
    tmp_path: Path, changes: dict[str, Any], why: str | None
) -> None:
    one = one_of(tmp_path, **changes)
    assert one.why == why
    assert (one.verdict == "shown") == (why is None)
    if one.difference and why:
        assert one.difference.value == pytest.approx(2), "given, not judged"
        assert (one.difference.p, one.difference.interval) == (None, None)


def test_one_seed_is_no_judgement(tmp_path: Path) -> None:
    paths = [folder(tmp_path / name, seeds_of("resnet18", 90 + place))
             for place, name in enumerate("ab")]  # fmt: skip
    one = only(compare(of(*paths), ["test_accuracy"])["test_accuracy"])
    assert (one.verdict, one.why) == ("cannot be judged", "one seed")
    assert one.difference is not None
    assert one.difference.value == 1


def test_bitwise_repetition_is_equality(tmp_path: Path) -> None:
    paths = [folder(tmp_path / name, seeds_of("resnet18", 90, 91)) for name in "ab"]
    one = only(compare(of(*paths), ["test_accuracy"])["test_accuracy"])
    assert (one.verdict, one.why) == ("equal", None)


@pytest.mark.parametrize(
    ("changes", "verdict", "why"),
    [
        ({}, "shown", None),
        (
            {"device": "NVIDIA A100"},
            "cannot be judged",
            "different devices: NVIDIA H200, NVIDIA A100",
        ),
        ({"exclusive": False}, "cannot be judged", "shared machine: resnet18"),
    ],
)
def test_times_are_judged_on_one_device_that_was_not_shared(
    tmp_path: Path, changes: dict[str, Any], verdict: str, why: str | None
) -> None:
    before, after = (seeds_of("resnet18", 90, 90, 90, **own) for own in ({}, changes))
    faster = [row | {"trial_id": row["trial_id"]} for row in after]
    paths = [folder(tmp_path / "a", before, epochs=taking(before, 10.0)),
             folder(tmp_path / "b", faster, epochs=taking(faster, 8.0))]  # fmt: skip
    one = only(compare(of(*paths), ["seconds_per_epoch"])["seconds_per_epoch"])
    assert (one.verdict, one.why) == (verdict, why)
    assert words(one).percent == "−20.0\xa0%"


def test_uneven_epochs_are_told_beside_a_time(tmp_path: Path) -> None:
    rows = seeds_of("resnet18", 90, 90)
    epochs = taking(rows, 10.0)
    epochs[5]["seconds_training"] = 100.0
    paths = [folder(tmp_path / "a", rows), folder(tmp_path / "b", rows, epochs=epochs)]
    one = only(compare(of(*paths), ["seconds_per_epoch"])["seconds_per_epoch"])
    assert one.why is not None
    assert re.fullmatch("b: its epochs took 10.s to 1.min 40.s: was .* busy\\?", one.why)


def test_network_sizes_are_exact_with_one_seed_and_reduced(tmp_path: Path) -> None:
    first = folder(tmp_path / "a", seeds_of("resnet18", 90))
    second = folder(
        tmp_path / "b", seeds_of("resnet18", 60, parameters=10, reductions='["2 of 20 epochs"]')
    )
    assert only(compare(of(first, second), ["parameters"])["parameters"]).verdict == "differs"
    assert only(compare(of(first, second), ["multiply_adds"])["multiply_adds"]).verdict == "equal"
    accuracy = only(compare(of(first, second), ["test_accuracy"])["test_accuracy"])
    assert accuracy.verdict == "cannot be judged"


def test_training_losses_are_compared_at_the_end_and_of_one_kind(tmp_path: Path) -> None:
    rows = seeds_of("resnet18", 90, 91, recipe=recipe())
    smooth = seeds_of("resnet18", 90, 91, recipe=recipe(label_smoothing=0.1))
    first, second, third = (
        folder(tmp_path / "a", rows), folder(tmp_path / "b", rows), folder(tmp_path / "c", smooth)
    )  # fmt: skip
    same, other = compare(of(first, second, third), ["train_loss"])["train_loss"]
    assert same.first is not None
    assert same.first.mean == pytest.approx(0.0585, abs=1e-4), "of the 20th epoch"
    assert same.verdict == "equal"
    assert other.why == "another loss: label_smoothing differs"


def test_validation_on_other_images_is_not_judged(tmp_path: Path) -> None:
    one = one_of(tmp_path, "validation_accuracy", validation_images=100)
    assert one.why == "other validation images"


def test_evaluations_of_fewer_images_are_not_judged(tmp_path: Path) -> None:
    rows = seeds_of("resnet18", 90, 91)
    paths = [
        write_results(tmp_path / name, rows, evaluations=[
            evaluation(row, "tta", 92 + row["seed"], condition="10 views", images=images)
            for row in rows
        ])
        for name, images in (("a", 10_000), ("b", 500))
    ]  # fmt: skip
    one = only(compare(of(*paths), ["tta_accuracy"])["tta_accuracy"])
    assert one.why == "not the same images: evaluated on 500 of 10,000 images"


def test_a_metric_that_was_not_measured_says_where(tmp_path: Path) -> None:
    one = one_of(tmp_path, "peak_memory_bytes", peak_memory_bytes=2**30)
    assert one.why == "not measured in a"
    assert words(one).second == "1.000\xa0±\xa00.000 (n\xa0=\xa03)", "GiB"


def test_intervals_hold_for_all_that_is_compared_together(tmp_path: Path) -> None:
    def rows(shift: float, *own: float) -> list[dict[str, Any]]:
        names = ("resnet18", "resnet34")
        return [row for name in names for row in seeds_of(name, *around(90 + shift, *own))]

    paths = [folder(tmp_path / "a", rows(0, 0, 0, 0)), folder(tmp_path / "b", rows(0.5, *A_LITTLE)),
             folder(tmp_path / "c", rows(0.25, *A_LITTLE))]  # fmt: skip
    folders = of(*paths)
    found = compare(folders, ["test_accuracy", "parameters"])["test_accuracy"]
    assert [(one.pair.label, one.name) for one in found] == [
        ("resnet18", "b"), ("resnet18", "c"), ("resnet34", "b"), ("resnet34", "c"),
    ]  # fmt: skip
    for one in found:
        assert one.difference is not None
        (alone,) = contrasts([one.difference.estimate])
        (together,) = contrasts([one.difference.estimate], all_shown(4))
        assert together == one.difference
        assert together.p == pytest.approx(1 - (1 - (alone.p or 0)) ** 4)


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ("test_accuracy", "Test accuracy, % (higher is better)"),
        ("peak_memory_bytes", "Peak memory, GiB (lower is better)"),
        ("gpu_hours", "GPU-hours (lower is better)"),
        ("seconds_per_epoch", "Time of an epoch, s (lower is better)"),
    ],
)
def test_metrics_have_their_units(metric: str, shown: str) -> None:
    assert METRICS[metric].heading == shown


def test_report_of_several_folders_tells_what_differs_and_by_how_much(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    first = folder(tmp_path / "a", seeds_of("resnet18", *around(90, 0, 0, 0)))
    second = folder(
        tmp_path / "b",
        seeds_of("resnet18", *around(90.5, *A_LITTLE), device=hostile),
        seeds_of("resnet50", 95),
        study=None,
    )
    section = folders_section(Analysis.of([first, second]))
    captions = [made.caption for made in section.tables]  # type: ignore[attr-defined]
    assert captions == [
        "The results folders",
        "What differs between the folders, of configurations that they share",
        "Test accuracy, % (higher is better), in each folder; a true difference of 0.82 "
        "points would be shown in "
        "80\u00a0% of such studies",
        "Time of an epoch, s (lower is better), in each folder",
    ]
    assert section.text is not None
    assert "Only in b, so not compared with a: resnet50." in section.text
    assert "shown" in section.text
    assert "<script>" not in section
    assert "different studies" in section.text
