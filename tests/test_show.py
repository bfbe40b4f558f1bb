"""`resray show`: how recipes differ, sources, as-run trials, at any width."""

from typing import Any

import pytest

from resray.show.recipe import changes
from tests.command_line import Resray


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


@pytest.mark.parametrize("width", [80, 140])
def test_what_was_run_is_shown_beside_what_was_stated(
    resray: Resray, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    ways: tuple[list[str], ...] = ([], ["--variant", "as-run"])
    stated, run_as = (" ".join(resray("show", "wrn-cifar100", *way).out.split()) for way in ways)
    assert "as-run what the author ran, by code and logs, in place of it: 15 trials" in stated
    assert "session-02-no-flip as session-02, but augmentation: {flip: 0.0}" in stated
    assert "session-02-first-as-run as session-02-as-run, but epochs: 8" in run_as
    assert "selection: test" in run_as
    for text in (stated, run_as):
        assert "patil-notebooks Pandurang Patil, notebooks of the base session" in text
        assert "licence: none (the repository has no licence file)" in text
        assert "…" not in text, "nothing is cut off"
