"""`resray show`: how recipes differ, sources, as-run trials, at any width."""

from typing import Any

import pytest

from resray.cli.show.as_run import rows
from resray.cli.show.rates import rates
from resray.cli.show.recipe import changes
from resray.study.optimizer_spec import Schedule
from tests.command_line import Resray
from tests.studies import made


@pytest.mark.parametrize(
    ("own", "before", "expected"),
    [
        ({"epochs": 5, "batch_size": 8}, {"epochs": 4, "batch_size": 8}, {"epochs": 5}),
        ({"mixing": {"a": 1, "b": 2}}, {"mixing": {"a": 1, "b": 3}}, {"mixing": {"b": 2}}),
        ({"augmentation": {"cutout": None}}, {"augmentation": {"cutout": {"size": 8}}},
         {"augmentation": {"cutout": None}}),
        # Another optimizer: all of it but its defaults, whatever the one before had.
        ({"optimizer": {"name": "adamw", "lr": 0.1, "weight_decay": 0.05, "betas": (0.9, 0.999)}},
         {"optimizer": {"name": "sgd", "lr": 0.1, "weight_decay": 5e-4, "momentum": 0.9}},
         {"optimizer": {"name": "adamw", "weight_decay": 0.05}}),
    ],
)  # fmt: skip
def test_changes(own: dict[str, Any], before: dict[str, Any], expected: dict[str, Any]) -> None:
    assert changes(own, before) == expected
    assert changes(own, own) == {}


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"name": "constant"}, "0.1"),
        ({"name": "cosine", "interval": "epoch"}, "0.1 to 0 in 20 epochs, set by epoch"),
        ({"name": "cosine", "length": 15}, "0.1 to 0 in 15 epochs, then up again to epoch 20"),
        ({"name": "linear", "length": 15, "end": 0.01}, "0.1 to 0.001 along a line in 15 epochs"),
        ({"name": "cosine", "length": 30}, "0.1 to 0 in 30 epochs, of which 20 are run"),
        ({"name": "cosine", "length": 40, "unit": "steps", "end": 1e-3},
         "0.1 to 1e-4 in 40 steps and back, again and again"),
        ({"name": "cosine", "warmup_epochs": 1, "warmup_start": 0.1},
         "0.01 to 0.1 in 1 epoch, then 0.1 to 0 in 19 epochs"),
        ({"name": "cosine_restarts", "period": 5, "period_factor": 2, "end": 0.33e-2},
         "0.1 to 3.3e-4 every 5 epochs, each time 2 times as long"),
        ({"name": "step", "milestones": [10, 15], "gamma": 0.2},
         "0.1, times 0.2 after 10, 15 epochs"),
        ({"name": "onecycle", "length": 980, "unit": "steps", "end": 4e-6},
         "0.004 up to 0.1 and down to 4e-7 in 980 steps"),
        ({"name": "plateau", "gamma": 0.5, "patience": 3, "end": 1e-3},
         "0.1, times 0.5 after 3 epochs without a better accuracy, at least 1e-4"),
        ({"name": "sequence", "parts": [{"name": "constant", "until": 4}, {"name": "cosine"}]},
         "epochs 1 to 4: 0.1; epochs 5 to 20: 0.1 to 0 in 16 epochs"),
    ],
)  # fmt: skip
def test_rates_in_words(schedule: dict[str, Any], expected: str) -> None:
    assert rates(made(Schedule, schedule), 0.1, 20) == expected


def test_rows_of_what_differs() -> None:
    schedule = {"name": "sequence", "parts": []}
    stated = {"model": {"name": "a", "dropout": 0.1}, "cutout": None, "schedule": schedule}
    run = {"model": {"name": "b"}, "cutout": {"size": 8}, "schedule": {"name": "cosine"}}
    assert list(rows(stated, run)) == [
        ("model", "{name: a, dropout: 0.1}", "{name: b}"),
        ("cutout", "null", "{size: 8}"),
        ("schedule.name", "sequence", "cosine"),
    ]
    first, second = ({"phases": {"dropout": own}} for own in ({"1-5": 0.1, "6-9": 0}, {"1-5": 0.3}))
    expected = [("phases.dropout.1-5", "0.1", "0.3"), ("phases.dropout.6-9", "0", "–")]
    assert list(rows(first, second)) == expected
    assert list(rows(stated, stated)) == []


@pytest.mark.parametrize("width", [80, 140])
def test_what_was_run_is_shown_beside_what_was_stated(
    resray: Resray, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    ways: tuple[list[str], ...] = ([], ["--variant", "as-run"])
    stated, run_as = (" ".join(resray("show", "wrn-cifar100", *way).out.split()) for way in ways)
    assert "as-run what the author ran, by code and logs, in place of it: 15 trials" in stated
    assert "session-02-no-flip as session-02, but augmentation: {flip: 0.0}" in stated
    assert "no stated counterpart; as session-02-as-run, but: epochs: 8" in run_as
    assert "session-02-as-run (source: patil-notebooks) note: the restarts' scheduler" in run_as
    assert "selection validation test" in run_as
    assert "augmentation.cutout.size 8 [3.2, 6.4]" in run_as
    assert "rate as stated: epochs 1 to 25: 0.01 to 0.1 in 5 epochs, then" in run_as
    assert "rate as run: 0.01 to 0.1 in 5 epochs, then 0.01 to 1e-4 every 25 steps" in run_as
    for title in ("Claims under test", "Search (`resray tune`)", "Assumed, as"):
        assert title in stated
        assert title not in run_as
    assert "selection: test" in run_as
    for text in (stated, run_as):
        assert "patil-notebooks Pandurang Patil, notebooks of the base session" in text
        assert "licence: none (the repository has no licence file)" in text
        assert "…" not in text, "nothing is cut off"
