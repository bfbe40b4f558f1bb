"""The five shipped studies: the figures and claims of their sources, one by one; sizes; --quick."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch

from resray.models.build import build_model
from resray.models.count import count_parameters
from resray.study.entries import AS_RUN, entries
from resray.study.layers import flatten
from resray.study.load import load_study, study_files
from resray.study.spec import Published
from tests.studies import planned, recipes

LOGS = Path(__file__).parents[2] / "shared" / "published"
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
        (f"{trial}-{epoch}", metric, value, epoch, epoch)
        for value, epoch in zip(values, (1, 5, 10), strict=True)
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
    "resnet10-speed": [
        ("plain", TEST, 65.65, 5, 5), ("full", TEST, 66.67, 5, 5),
        ("plain", TIME, 489.52, 5, None), ("full", TIME, 46.98, 5, None),
        ("plain", EPOCH, 97.9, 5, None), ("full", EPOCH, 9.39, 5, None),
    ],
    "wrn-cifar100": [
        *((name, TEST, value, epochs, None) for name, value, epochs in BASE_SESSION),
        ("session-02", TEST, 71.20, 100, None),
        ("session-02", TEST, 71.20, 100, None),
        ("session-04", TEST, 72.98, 100, 99),
        ("session-02", TIME, 6 * 3600, 100, None),
        ("session-02", TIME, 8 * 3600, 100, None),
        ("base-resnet18", SIZE, 11_227_812, None, None),
        ("base-resnet34", SIZE, 21_335_972, None, None),
        ("base-wrn", SIZE, 36_536_884, None, None),
        ("paper", TEST, 81, 200, None),
        ("paper-mixup", TEST, 82.5, 200, None),
    ],
    "basicblock-depth": [
        *((name, SIZE, value, None, None) for name, value in
          zip(NAMES_B, (4_903_242, 4_994_730, 4_997_658), strict=False)),
        *((name, TEST, value, epochs, None) for name, value, epochs in
          zip(NAMES_B, (94.41, 95.20, 94.23, 96.01), (200, 200, 200, 310), strict=True)),
        *((name, HIDDEN, value, epochs, None) for name, value, epochs in
          zip(NAMES_B, (83.18, 84.33, 83.39, 85.09), (200, 200, 200, 310), strict=True)),
        ("resnet40-b", HIDDEN, 84.37, 200, None),
        ("resnet40-b", TEST, 95.05, 200, 200),
        ("resnet40-b-as2", TEST, 75.71, 200, 200),
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


def figures(study: str, *, as_run: bool) -> list[Published]:
    return [f for f in load_study(study).published if f.trial.endswith(f"-{AS_RUN}") == as_run]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_figure_is_there_and_no_other(name: str) -> None:
    found = [(f.trial, f.metric, f.value, f.epochs, f.epoch) for f in figures(name, as_run=False)]
    assert sorted(found, key=str) == sorted(
        (
            (trial, metric, float(value), *epochs)
            for trial, metric, value, *epochs in PUBLISHED[name]
        ),
        key=str,
    )


def logged_value(figure: Published, log: Sequence[Mapping[str, str]]) -> float | None:
    """Return what an author's log says of a figure; None of what is not in it."""
    if figure.metric in (SIZE, HIDDEN):
        return None
    if figure.epoch:
        return float(log[figure.epoch - 1][figure.metric])
    if figure.metric in (TIME, EPOCH):
        seconds = sum(float(row["seconds"]) for row in log)
        return seconds if figure.metric == TIME else seconds / len(log)
    accuracies = [float(row[TEST]) for row in log]
    return {TEST: max(accuracies), "test_accuracy_last": accuracies[-1]}[figure.metric]


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "depth-family"])
def test_figures_of_what_was_run_are_the_logs(name: str) -> None:
    if not LOGS.is_dir():
        pytest.skip(f"{LOGS} is absent: the authors' logs")
    held = 0
    for figure in figures(name, as_run=True):
        path = LOGS / name / f"{figure.trial.removesuffix(f'-{AS_RUN}')}.csv"
        log = list(csv.DictReader(path.read_text().splitlines()))
        # The first start of session 01, of one epoch, has no log of its own.
        expected = 6.60 if figure.value == 6.60 else logged_value(figure, log)
        if expected is not None:
            assert figure.value == pytest.approx(expected, abs=0.02), figure
            assert figure.epochs in (None, len(log)), figure
            held += 1
    assert held >= len(load_study(name).as_run)


def test_every_logged_run_from_scratch_is_a_trial() -> None:
    if not LOGS.is_dir():
        pytest.skip(f"{LOGS} is absent: the authors' logs")
    logs = {f"{path.stem}-{AS_RUN}" for path in LOGS.glob("*/*.csv")}
    trials = {entry.name for name in PUBLISHED for entry in load_study(name).as_run}
    # It went on from weights that the log does not hold.
    assert logs - trials == {f"base-resnet18-restarted-{AS_RUN}"}
    assert trials <= logs


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "depth-family"])
def test_as_run_trials_train_on_all_images_and_say_so(name: str) -> None:
    for trial, recipe in recipes(name, variant=AS_RUN).items():
        assert recipe.data.validation_images == 0, trial
        selects = name in ("basicblock-depth", "wrn-cifar100")
        assert recipe.selection == ("test" if selects else "validation"), trial
    assert all(recipe.selection == "validation" for recipe in recipes(name).values())


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
        "resnet10-speed": {"NVIDIA T4"},
        "wrn-cifar100": {"NVIDIA T4", "NVIDIA T4 or V100", "Apple MPS"},
        "basicblock-depth": {"NVIDIA P100"},
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_assumed_is_a_setting(name: str) -> None:
    study = load_study(name)
    variants = [recipes(name, variant=each) for each in study.variant_names]
    keys = {key for each in variants for recipe in each.values() for key in flatten(recipe)}
    for key in study.assumed:
        known = any(f"{other}.".startswith(f"{key}.") for other in keys)
        assert known or key == "target_accuracy", key


# --- sizes --------------------------------------------------------------------------------------


def parameters_of(study: str, variant: str | None) -> dict[str, int]:
    counts = {}
    for trial, recipe in recipes(study, variant=variant).items():
        with torch.device("meta"):
            network = build_model(recipe.model, 100 if recipe.data.name == "cifar100" else 10)
        counts[trial] = count_parameters(network)
    return counts


@pytest.mark.parametrize(
    ("study", "variant"),
    [(name, variant) for name in PUBLISHED if name != "depth-family" for variant in (None, AS_RUN)],
)
def test_networks_have_the_parameters_that_their_sources_count(
    study: str, variant: str | None
) -> None:
    counts = parameters_of(study, variant)
    for figure in figures(study, as_run=variant == AS_RUN):
        if figure.metric == SIZE:
            assert counts[figure.trial] == figure.value, figure.trial


@pytest.mark.parametrize(
    ("trial", "millions"), [("resnet50", "23.5"), ("resnet101", "42.5"), ("resnet152", "58.2")]
)
def test_protocols_of_depth_family_say_the_parameters(trial: str, millions: str) -> None:
    assert f"{parameters_of('depth-family', None)[trial] / 1e6:.1f}" == millions


# --- quick --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("data_given", [False, True])
@pytest.mark.parametrize("as_run", [False, True])
def test_quick_is_small_and_still_compares_different_trials(
    name: str, data_given: bool, as_run: bool
) -> None:
    study = load_study(name)
    if as_run and not study.as_run:
        pytest.skip("its author has no repository: nothing is there as it was run")
    variant = AS_RUN if as_run else None
    trials = planned(name, quick=True, data_given=data_given, variant=variant)
    named = [entry.name for entry in entries(study.document) if entry.as_run == as_run]
    assert list(trials) == named
    for trial in trials.values():
        data = trial.recipe.data
        assert data.image_size == 16
        assert trial.recipe.epochs <= 10
        held_out = data.validation_images or 0
        assert (data.limit_train or (data.images or 0) - held_out) <= 512
        assert (data.limit_eval or held_out) <= 128


def test_quick_names_its_stand_ins() -> None:
    trials = planned("wrn-cifar100", quick=True)
    models = {trial.recipe.model.name for name, trial in trials.items() if "resnet" not in name}
    assert models == {"wrn-16-2", "wrn-16-3", "wrn-22-2"}
    assert "wrn-16-2 in place of wrn-28-10" in map(str, trials["session-04"].reductions)
