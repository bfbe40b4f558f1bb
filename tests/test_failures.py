"""When the first trials of a search all fail the same way, and when they do not."""

from pathlib import Path
from typing import Any

import pytest

from resray.results.store import ResultStore
from resray.run.recorder import Recorder
from resray.search.failures import FailureWatch, systematic, way_of_failing

OUT_OF_DISK = "[Errno 28] No space left on device: '/scratch/{0}/trial-{0}/last.pt'"


class Search:
    """Trials whose messages are recorded and heard, as in a command."""

    def __init__(self, folder: Path, at_least: int = 3) -> None:
        self.recorder = Recorder(ResultStore(folder))
        self.watch = FailureWatch(at_least)

    def hear(self, trial_id: str, message: dict[str, Any]) -> None:
        row = self.recorder.store.trial(trial_id)
        assert row is not None
        self.watch.hear(trial_id, message, row)

    def start(self, *trial_ids: str) -> None:
        for trial_id in trial_ids:
            self.plan(trial_id)
            facts = {"pid": 1, "host": "here", "seconds_starting": 0.1}
            message = {"kind": "started", "epoch": 0, "records": [], "facts": facts}
            self.recorder.message(trial_id, message)
            self.hear(trial_id, message)

    def plan(self, trial_id: str) -> None:
        identity = {
            "trial_id": trial_id,
            "study": "s",
            "name": trial_id,
            "seed": 0,
            "reductions": "[]",
        }
        self.recorder.plan({**identity, "role": "search"})

    def fail(self, trial_id: str, message: str, error_class: str = "OSError") -> None:
        self.recorder.failed(trial_id, {"error_class": error_class, "error_message": message})
        self.hear(trial_id, {"kind": "finished"})

    def finish(self, trial_id: str, **outcome: Any) -> None:
        message = {"kind": "finished", "epoch": 0, **outcome}
        self.recorder.message(trial_id, message)
        self.hear(trial_id, message)

    def fail_all(self, *trial_ids: str) -> None:
        for number, trial_id in enumerate(trial_ids):
            self.fail(trial_id, OUT_OF_DISK.format(number))


def test_the_first_three_fail_the_same_way(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.start("a", "b", "c")
    search.fail_all("a", "b")
    assert search.watch.verdict() is None
    search.fail("c", OUT_OF_DISK.format("0x7f2a"))
    assert search.watch.verdict() == (
        "the first 3 trials all failed the same way: OSError: "
        "[Errno 28] No space left on device: '/scratch/0x7f2a/trial-0x7f2a/last.pt'"
    )


def test_failures_before_the_start_count(tmp_path: Path) -> None:
    search = Search(tmp_path, at_least=2)
    for trial_id in ("a", "b"):
        search.plan(trial_id)
        search.finish(
            trial_id,
            status="failed",
            reason="error",
            error_class="DataError",
            error_message="x.npz: not there",
        )
    assert search.watch.verdict() == (
        "the first 2 trials all failed the same way: DataError: x.npz: not there"
    )


def test_another_error_is_no_pattern(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.start("a", "b", "c", "d")
    search.fail("a", OUT_OF_DISK.format(0), error_class="ValueError")
    search.fail_all("b", "c", "d")
    assert search.watch.verdict() is None


def test_an_epoch_shows_that_the_set_up_works(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.start("a", "b", "c", "d")
    search.watch.hear("a", {"kind": "epoch", "epoch": 1}, {})
    search.fail_all("a", "b", "c", "d")
    assert search.watch.verdict() is None


@pytest.mark.parametrize(
    "outcome",
    [
        {"status": "failed", "reason": "diverged", "error_class": "DivergedError"},
        {"status": "completed", "reason": None},
    ],
)
def test_so_does_any_other_end(tmp_path: Path, outcome: dict[str, Any]) -> None:
    search = Search(tmp_path)
    search.start("a", "b", "c", "d")
    search.finish("a", **outcome)
    search.fail_all("b", "c", "d")
    assert search.watch.verdict() is None


def test_a_slow_first_epoch_is_waited_for(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.start("slow", "a", "b", "c")
    search.fail_all("a", "b", "c")
    assert search.watch.verdict() is None, "the slow one may still show that the set-up works"
    search.start("later")
    search.fail("slow", OUT_OF_DISK.format(9))
    verdict = search.watch.verdict()
    assert verdict is not None, "those started since then are not waited for"
    assert verdict.startswith("the first 4 trials")


def test_what_an_earlier_command_trained_says_nothing_of_this_one(tmp_path: Path) -> None:
    search = Search(tmp_path)
    search.start("a", "b", "c")
    search.recorder.store.put_trial({"trial_id": "a", "epochs_done": 3})
    search.fail_all("a", "b", "c")
    assert search.watch.verdict() is not None


def failure(error_message: str | None, error_class: str = "RuntimeError") -> dict[str, Any]:
    return {"error_class": error_class, "error_message": error_message}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CUDA error at 0x7f00aa10", "CUDA error at 0x7F55bb20"),
        ("tried to allocate 20.00 MiB", "tried to allocate 1,024 MiB"),
        ("loss is 1.5e-07", "loss is 3"),
        ("/a/b-1/c.pt: cannot be read", "/home/me/d.pt: cannot be read"),
        ("C:\\data\\x.bin: gone", "C:\\other\\y.bin: gone"),
        ("results/checkpoints/ab12/last.pt is cut", "results/checkpoints/ff00/last.pt is cut"),
        ("actor 3f2a9c01deadbeef died", "actor 0123456789abcdef died"),
    ],
)
def test_paths_numbers_and_addresses_tell_no_errors_apart(one: str, other: str) -> None:
    assert way_of_failing(failure(one)) == way_of_failing(failure(other))


def test_words_and_classes_tell_errors_apart() -> None:
    assert way_of_failing(failure("no room")) != way_of_failing(failure("no data"))
    assert way_of_failing(failure("no")) != way_of_failing(failure("no", "ValueError"))
    assert way_of_failing(failure("defaced")) != way_of_failing(failure("effaced"))


def test_only_the_first_line_is_said() -> None:
    rows = [failure("\nsizes do not match\nat layer 3")] * 3
    assert systematic(rows) == (
        "the first 3 trials all failed the same way: RuntimeError: sizes do not match"
    )
    assert systematic([failure(None)] * 3) == (
        "the first 3 trials all failed the same way: RuntimeError"
    )
