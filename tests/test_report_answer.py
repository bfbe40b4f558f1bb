"""The answer in words, and what it warns of."""

from pathlib import Path
from typing import Any

from resray.report.aggregate import Results, load_results
from resray.report.answer import answer, banners, warnings
from tests.report_builder import trial, write_results

STUDY = Path(__file__).parent.parent / "benchmarks" / "depth-family.yaml"


def load(folder: Path, *rows: dict[str, Any]) -> Results:
    return load_results(write_results(folder, list(rows), study=STUDY))


def test_answer_with_one_seed_says_so(tmp_path: Path) -> None:
    text = " ".join(answer(load(tmp_path, trial("resnet18"), trial("resnet50"))))
    assert "resnet50 has the highest test accuracy of 2 configurations" in text
    assert "n\xa0=\xa01" in text
    assert "trained once" in text
    assert "NVIDIA H200" in text


def test_cheapest_of_equally_good_networks_is_named(tmp_path: Path) -> None:
    rows = [trial(name, test_accuracy=90.0, multiply_adds=size) for name, size in
            (("a", 20), ("b", 10))]  # fmt: skip
    text = " ".join(answer(load(tmp_path, *rows, trial("resnet50", test_accuracy=80.0))))
    assert "a, b share the highest test accuracy of 3 configurations" in text
    assert "b is also the cheapest, with" in text


def test_small_differences_in_cost_are_given_with_two_digits(tmp_path: Path) -> None:
    rows = [trial(name, multiply_adds=size, test_accuracy=size)
            for name, size in (("a", 104), ("b", 100))]  # fmt: skip
    assert "for 1.04 times the multiply-adds" in " ".join(answer(load(tmp_path, *rows)))


def test_answer_with_seeds_gives_the_spread(tmp_path: Path) -> None:
    rows = [trial(name, seed) for name in ("resnet18", "resnet50") for seed in range(3)]
    text = " ".join(answer(load(tmp_path, *rows)))
    assert "n\xa0=\xa03" in text
    assert "standard deviation" in text
    assert "trained once" not in text


def test_answer_does_not_rank_what_was_trained_differently(tmp_path: Path) -> None:
    reduced = trial("resnet50", reductions='["2 of 20 epochs"]', test_accuracy=99.0)
    text = " ".join(answer(load(tmp_path, trial("resnet18"), trial("resnet34"), reduced)))
    assert "highest test accuracy of 2 configurations" in text
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
