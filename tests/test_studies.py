"""The five shipped studies: the figures and claims of their sources, one by one; sizes; --quick."""

import re

import pytest
import torch

from resray.models.build import build_model
from resray.models.count import count_parameters
from resray.study.layers import flatten
from resray.study.load import load_study, study_files
from tests.studies import planned, recipes

TEST, TRAIN, LOSS, HIDDEN = "test_accuracy", "train_accuracy", "train_loss", "hidden_accuracy"
TIME, EPOCH, SPEED = "seconds_training", "seconds_per_epoch", "iterations_per_second"
SIZE = "parameters"
DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
AUTHOR_EPOCHS = (100, 100, 150, 200, 250)
BASE_SESSION = (
    ("base-resnet18", 53.44, 40),
    ("base-resnet34", 59.29, 40),
    ("base-resnet18-dropout", 62.96, 100),
    ("base-resnet34-dropout", 62.54, 100),
    ("base-wrn", 68.08, 100),
)
NAMES_B = ("resnet10-b", "resnet40-b", "resnet102-b", "resnet40-b-ft")

Figure = tuple[str, str, float, int | None, int | None]
"""Trial, metric, value, epochs of the training, epoch of the figure."""


def by_budget(trial: str, metric: str, values: tuple[float, float, float]) -> list[Figure]:
    return [
        (trial, metric, value, 10, epoch) for value, epoch in zip(values, (1, 5, 10), strict=True)
    ]


def curve(metric: str, first: tuple[float, ...], last: float) -> list[Figure]:
    early: list[Figure] = [
        ("resnet10-b", metric, value, 200, epoch) for epoch, value in enumerate(first, 1)
    ]
    return [*early, ("resnet10-b", metric, last, 200, 200)]


PUBLISHED: dict[str, list[Figure]] = {
    "depth-family": [
        *((name, TEST, value, epochs, None) for name, value, epochs in
          zip(DEPTHS, (87.92, 86.41, 87.93, 88.17, 91.68), AUTHOR_EPOCHS, strict=True)),
        *((name, TIME, 60 * minutes + seconds, epochs, None) for name, (minutes, seconds), epochs in
          zip(DEPTHS, ((23, 38), (28, 44), (95, 0), (219, 0), (312, 0)), AUTHOR_EPOCHS,
              strict=True)),
        *((name, SIZE, millions * 1e6, None, None) for name, millions in
          zip(DEPTHS, (11, 21, 25, 44, 60), strict=True)),
        *((name, TEST, value, 200, None) for name, value in
          zip(DEPTHS, (94.82, 95.34, 95.55, 95.58, 95.76), strict=True)),
    ],
    "resnext": [
        *by_budget("resnet50", LOSS, (1.7408, 0.5014, 0.1373)),
        *by_budget("resnet50", TEST, (51.11, 76.74, 78.79)),
        *by_budget("resnet50", SPEED, (2.46, 2.42, 2.42)),
        *by_budget("resnet50", EPOCH, (158, 161, 161)),
        *by_budget("resnext50_32x4d", LOSS, (1.9723, 0.6635, 0.2166)),
        *by_budget("resnext50_32x4d", TEST, (45.91, 73.44, 76.75)),
        *by_budget("resnext50_32x4d", SPEED, (2.76, 2.76, 2.76)),
        *by_budget("resnext50_32x4d", EPOCH, (141, 141, 141)),
    ],
    "resnet10-speed": [],
    "wrn-cifar100": [
        *((name, TEST, value, epochs, None) for name, value, epochs in BASE_SESSION),
        ("session-02", TEST, 6.60, None, 1),
        ("session-02", TEST, 71.20, 100, None),
        ("session-02", TEST, 71.20, 100, None),
        ("session-04", TEST, 72.98, 100, 99),
        ("session-02", TIME, 6 * 3600, 100, None),
        ("session-02", TIME, 8 * 3600, 100, None),
        ("base-resnet18", SIZE, 11.2e6, None, None),
        ("base-resnet34", SIZE, 21.3e6, None, None),
        ("base-wrn", SIZE, 36.5e6, None, None),
        ("paper", TEST, 81, 200, None),
        ("paper-mixup", TEST, 82.5, 200, None),
        ("paper-cutmix", TEST, 83, 200, None),
    ],
    "basicblock-depth": [
        *((name, SIZE, value, None, None) for name, value in
          zip(NAMES_B, (4.90e6, 4_994_730, 4.99e6), strict=False)),
        *((name, TEST, value, epochs, None) for name, value, epochs in
          zip(NAMES_B, (94.41, 95.20, 94.23, 96.01), (200, 200, 200, 310), strict=True)),
        *((name, HIDDEN, value, epochs, None) for name, value, epochs in
          zip(NAMES_B, (83.18, 84.33, 83.39, 85.09), (200, 200, 200, 310), strict=True)),
        ("resnet40-b", HIDDEN, 84.37, 200, None),
        ("resnet40-b", TEST, 95.05, 200, None),
        ("resnet40-b-as2", TEST, 75.71, 200, None),
        *curve(TRAIN, (39.0, 58.8, 67.3, 71.8, 76.0), 99.99),
        *curve(TEST, (48.0, 61.0, 65.2, 69.8, 72.2), 94.32),
    ],
}  # fmt: skip

CLAIMS = {
    "depth-family": "abcd",
    "resnext": "abcd",
    "resnet10-speed": "abc",
    "wrn-cifar100": "abcdefghij",
    "basicblock-depth": "abc",
}


def test_the_five_studies_are_there() -> None:
    assert set(study_files()) == set(PUBLISHED)
    assert all(load_study(name).seeds == [0] for name in PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_figure_is_there_and_no_other(name: str) -> None:
    found = [(f.trial, f.metric, f.value, f.epochs, f.epoch) for f in load_study(name).published]
    assert sorted(found, key=str) == sorted(
        (
            (trial, metric, float(value), *epochs)
            for trial, metric, value, *epochs in PUBLISHED[name]
        ),
        key=str,
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_claim_is_there_once(name: str) -> None:
    claims = [claim.id for claim in load_study(name).claims]
    assert len(set(claims)) == len(claims)
    assert {claim[0] for claim in claims if re.fullmatch(r"[a-z]\d?", claim)} == set(CLAIMS[name])


@pytest.mark.parametrize("name", PUBLISHED)
def test_claims_in_round_figures_say_how_they_are_tested(name: str) -> None:
    for claim in load_study(name).claims:
        if re.search(r"\b(about|roughly)\b", claim.text):
            assert "(tested " in claim.text, claim.id


def test_the_claim_on_speed_has_no_upper_bound_and_says_so() -> None:
    (claim,) = (claim for claim in load_study("resnet10-speed").claims if claim.id == "a")
    assert [check.split()[1] for check in claim.check] == [">="]
    assert "at least eight times; more than ten does not count against it" in claim.text


def test_devices_are_the_sources() -> None:
    devices = {
        name: {f.device for f in load_study(name).published} - {"any", "unstated"}
        for name in PUBLISHED
    }
    assert devices == {
        "depth-family": {"NVIDIA P100"},
        "resnext": {"NVIDIA T4"},
        "resnet10-speed": set(),
        "wrn-cifar100": {"NVIDIA T4 or V100"},
        "basicblock-depth": {"Kaggle GPU"},
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_assumed_is_a_setting(name: str) -> None:
    keys = {key for recipe in recipes(name).values() for key in flatten(recipe)}
    for key in load_study(name).assumed:
        known = any(f"{other}.".startswith(f"{key}.") for other in keys)
        assert known or key == "target_accuracy", key


# --- sizes --------------------------------------------------------------------------------------


def parameters_of(study: str, trial: str) -> int:
    recipe = recipes(study)[trial]
    with torch.device("meta"):
        network = build_model(recipe.model, 100 if recipe.data.name == "cifar100" else 10)
    return count_parameters(network)


def test_resnet40_b_has_the_published_parameters() -> None:
    assert parameters_of("basicblock-depth", "resnet40-b") == 4_994_730


@pytest.mark.parametrize(
    ("study", "trial", "millions"),
    [
        ("basicblock-depth", "resnet10-b", "4.90"),
        ("wrn-cifar100", "base-resnet18", "11.2"),
        ("wrn-cifar100", "base-resnet34", "21.3"),
        ("wrn-cifar100", "session-02", "36.5"),
        ("depth-family", "resnet50", "23.5"),
        ("depth-family", "resnet101", "42.5"),
        ("depth-family", "resnet152", "58.2"),
    ],
)
def test_parameters_round_to_the_published_ones(study: str, trial: str, millions: str) -> None:
    digits = len(millions.split(".")[1])
    assert f"{parameters_of(study, trial) / 1e6:.{digits}f}" == millions


def test_resnet102_b_stays_under_five_millions() -> None:
    # Published is 4.99M, which is the exact count cut off rather than rounded.
    assert 4_990_000 <= parameters_of("basicblock-depth", "resnet102-b") < 5_000_000


# --- quick --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("data_given", [False, True])
def test_quick_is_small_and_still_compares_different_trials(name: str, data_given: bool) -> None:
    trials = planned(name, quick=True, data_given=data_given)
    assert list(trials) == load_study(name).trial_names
    for trial in trials.values():
        data = trial.recipe.data
        assert data.image_size == 16
        assert trial.recipe.epochs <= 10
        assert (data.limit_train or (data.images or 0) - data.validation_images) <= 512
        assert (data.limit_eval or data.validation_images) <= 128


def test_quick_names_its_stand_ins() -> None:
    trials = planned("wrn-cifar100", quick=True)
    models = {trial.recipe.model.name for name, trial in trials.items() if "resnet" not in name}
    assert models == {"wrn-16-2", "wrn-16-3", "wrn-22-2"}
    assert "wrn-16-2 in place of wrn-28-10" in trials["session-04"].reductions
