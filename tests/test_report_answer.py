"""The answer in words, and what it warns of."""

from pathlib import Path
from typing import Any

import yaml

from resray.analysis.results import Analysis
from resray.report.answer import answer, banners, warnings
from resray.report.differences import differences_section
from resray.report.sections import means_table
from resray.report.tables import Table
from tests.report_builder import trial, write_results

STUDY = Path(__file__).parent.parent / "benchmarks" / "depth-family.yaml"


def load(folder: Path, *rows: dict[str, Any]) -> Analysis:
    return Analysis.of(write_results(folder, list(rows), study=STUDY))


def test_answer_with_one_seed_says_so(tmp_path: Path) -> None:
    text = " ".join(answer(load(tmp_path, trial("resnet18"), trial("resnet50"))))
    assert "resnet50 has the highest measured test accuracy of 2 configurations" in text
    assert "n\xa0=\xa01" in text
    assert "trained once" in text
    assert "NVIDIA H200" in text


def test_cheapest_of_equally_good_networks_is_named(tmp_path: Path) -> None:
    rows = [trial(name, test_accuracy=90.0, multiply_adds=size) for name, size in
            (("a", 20), ("b", 10))]  # fmt: skip
    text = " ".join(answer(load(tmp_path, *rows, trial("resnet50", test_accuracy=80.0))))
    assert "a, b share the highest measured test accuracy of 3 configurations" in text
    assert "b is also the cheapest, with" in text


def test_small_differences_in_cost_are_given_with_two_digits(tmp_path: Path) -> None:
    rows = [trial(name, multiply_adds=size, test_accuracy=size)
            for name, size in (("a", 104), ("b", 100))]  # fmt: skip
    assert "for 1.04 times the multiply-adds" in " ".join(answer(load(tmp_path, *rows)))


def test_answer_with_seeds_gives_the_spread(tmp_path: Path) -> None:
    rows = [trial(name, seed) for name in ("resnet18", "resnet50") for seed in range(3)]
    text = " ".join(answer(load(tmp_path, *rows)))
    assert "(n\xa0=\xa03, ±\xa00." in text
    assert "half of its 95 % interval over seeds" in text
    assert "trained once" not in text


def test_answer_does_not_rank_what_was_trained_differently(tmp_path: Path) -> None:
    reduced = trial("resnet50", reductions='["2 of 20 epochs"]', test_accuracy=99.0)
    text = " ".join(answer(load(tmp_path, trial("resnet18"), trial("resnet34"), reduced)))
    assert "highest measured test accuracy of 2 configurations" in text
    assert "Not ranked, as data, length or variant differ: resnet50" in text


def test_answer_without_finished_trials(tmp_path: Path) -> None:
    assert "none of 1 trial has finished" in answer(load(tmp_path, trial(status="running")))[0]


def test_reduced_runs_are_announced_and_not_an_answer(tmp_path: Path) -> None:
    results = load(tmp_path, trial(reductions='["2 of 200 epochs", "2,000 training images"]'))
    ((heading, lines),) = banners(results)
    assert heading == "These are reduced runs"
    assert lines == ["2 of 200 epochs, 2,000 training images."]
    assert any("does not answer" in sentence for sentence in answer(results))


def test_warnings_name_what_limits_the_numbers(tmp_path: Path) -> None:
    results = load(
        tmp_path,
        trial(seed=0, data_source="CIFAR-10 (Parquet folder, JPEG)", exclusive=False),
        trial(seed=1, status="failed"),
    )
    text = " ".join(warnings(results))
    assert "CIFAR-10 (Parquet folder, JPEG): the images were re-encoded" in text
    assert "1 trial failed" in text
    assert "not compared" in text


def test_where_all_cost_the_same_none_is_the_cheapest(tmp_path: Path) -> None:
    rows = [trial("a", test_accuracy=80.0), trial("b", test_accuracy=81.0)]
    assert "cheapest" not in " ".join(answer(load(tmp_path, *rows)))


def seeds(name: str, *accuracies: float, **changes: Any) -> list[dict[str, Any]]:
    return [trial(name, seed, test_accuracy=value, **changes)
            for seed, value in enumerate(accuracies)]  # fmt: skip


def test_next_best_stands_with_the_interval_of_the_table_of_differences(tmp_path: Path) -> None:
    rows = [*seeds("a", 90.0, 95.0, 100.0), *seeds("b", 89.0, 92.0, 92.0)]
    results = load(tmp_path, *rows)
    text = " ".join(answer(results))
    interval = "−15.01\xa0to +7.01"
    assert f"The next, b, differs from it by −4.00 points (95\xa0% interval {interval}" in text
    assert "Welch's t, 3 and 3 seeds): not shown." in text
    table, *_ = differences_section(results, "a").tables
    assert isinstance(table, Table)
    (row,) = [row for row in table.rows if row[0] == "b"]
    assert row[3] == interval


def test_a_lead_that_is_shown_is_called_so(tmp_path: Path) -> None:
    rows = [*seeds("a", 90.0, 90.1, 90.3), *seeds("b", 80.0, 80.2, 80.1)]
    text = " ".join(answer(load(tmp_path, *rows)))
    assert "3 and 3 seeds): shown." in text
    assert "others" not in text


def test_answer_says_how_many_are_not_told_from_the_best(tmp_path: Path) -> None:
    rows = [*seeds("a", 90.0, 95.0, 100.0), *seeds("b", 89.0, 92.0, 92.0),
            *seeds("c", 10.0, 15.1, 19.8), *seeds("d", 91.0)]  # fmt: skip
    text = " ".join(answer(load(tmp_path, *rows)))
    assert "Not separated from it: 1 of 3 others (b). Not tested: 1." in text


def test_gain_over_the_cheapest_has_its_interval(tmp_path: Path) -> None:
    rows = [*seeds("a", 90.0, 95.0, 100.0, multiply_adds=20),
            *seeds("b", 89.0, 92.0, 92.0, multiply_adds=10)]  # fmt: skip
    text = " ".join(answer(load(tmp_path, *rows)))
    gain = "it gains +4.00 points (95\xa0% interval −7.01\xa0to +15.01, not shown) for 2.0 times"
    assert gain in text


def test_cheapest_that_costs_nothing_has_no_multiple(tmp_path: Path) -> None:
    rows = [trial("a", test_accuracy=90.0, multiply_adds=20),
            trial("b", test_accuracy=80.0, multiply_adds=0)]  # fmt: skip
    assert "cheapest" not in " ".join(answer(load(tmp_path, *rows)))


def test_ranking_of_an_unfinished_study_is_called_preliminary(tmp_path: Path) -> None:
    rows = [trial("a"), trial("b"), *(
        trial("c", seed, status="running" if seed < 2 else "pending", test_accuracy=None)
        for seed in range(4))]  # fmt: skip
    first, *rest = warnings(load(tmp_path, *rows))
    assert "4 of 6 trials" in first
    assert "are not done (2 running, 2 pending), so every ranking" in first
    assert not any("did not complete" in text for text in rest)


def test_published_hardware_is_named_beside_ours(tmp_path: Path) -> None:
    study = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    figure = {"trial": "resnet18", "metric": "seconds_training", "value": 100.0}
    origin = {"protocol": "one run", "device": "Tesla T4", "source": "a paper"}
    study["published"] = [figure | origin]
    path = tmp_path / "written.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    results = Analysis.of(write_results(tmp_path, [trial("resnet18")], study=path))
    assert "other hardware (Tesla T4) than these runs (NVIDIA H200)" in warnings(results)[0]


def test_what_all_rows_would_say_is_said_once(tmp_path: Path) -> None:
    reduced: dict[str, Any] = {"reductions": '["2,000 training images"]'}
    alike = [trial(name, **reduced) for name in ("resnet18", "resnet34")]
    table = means_table(load(tmp_path / "alike", *alike).groups, {})
    assert ". All: reduced run" in table
    assert "NVIDIA H200" not in table
    other = load(tmp_path / "other", *alike, trial("resnet50", device="NVIDIA A100"))
    table = means_table(other.groups, {})
    assert "All:" not in table
    assert table.count(">reduced run<") == 2
    assert table.count("NVIDIA H200") == 2
