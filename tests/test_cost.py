"""What a study costs, against sums by hand."""

from dataclasses import replace

import pytest

from resray.cost import estimate, image_counts, probe
from resray.study.expand import Options, PlannedTrial, expand
from resray.study.load import load_study
from resray.study.recipe_spec import Data, Model


def planned(**options: object) -> list[PlannedTrial]:
    return expand(load_study("depth-family"), Options(**options))  # type: ignore[arg-type]


def test_full_training_of_resnet18() -> None:
    (cost,) = estimate(planned(select=("resnet18",)), operations_per_second=1e12)
    assert (cost.parameters, cost.multiply_adds, cost.epochs) == (11_173_962, 555_422_720, 200)
    training = 200 * 45_000 * 555_422_720 * 6
    evaluation = 200 * 15_000 * 555_422_720 * 2
    assert cost.training_petaflop == pytest.approx(training / 1e15)
    assert cost.evaluation_petaflop == pytest.approx(evaluation / 1e15)
    assert cost.seconds == pytest.approx((training + evaluation) / 1e12)


def test_stop_after_and_given_image_numbers() -> None:
    trials = planned(select=("resnet18",), stop_after=3)
    (cost,) = estimate(trials, train_images=100, evaluation_images=0)
    assert cost.training_petaflop == pytest.approx(3 * 100 * 555_422_720 * 6 / 1e15)
    assert (cost.evaluation_petaflop, cost.seconds) == (0, None)


def test_every_trial_and_seed_has_its_cost() -> None:
    costs = estimate(planned(seeds=(0, 1), select=("resnet1?",), quick=True))
    assert [(cost.name, cost.seed) for cost in costs] == [("resnet18", 0), ("resnet18", 1)]
    assert costs[0].multiply_adds < 555_422_720 / 3


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (Data(name="cifar10"), (45_000, 15_000)),
        (Data(name="cifar100", validation_images=0), (50_000, 10_000)),
        (Data(name="cifar10", limit_train=2000, limit_eval=500), (2000, 1000)),
        (Data(name="embedded", images=640, validation_images=128), (512, 256)),
        (Data(name="folder"), (None, None)),
    ],
)
def test_images_per_epoch(data: Data, expected: tuple[int | None, int | None]) -> None:
    assert image_counts(data) == expected


def test_folder_has_no_compute_until_its_size_is_known() -> None:
    trials = planned(select=("resnet18",), overrides=("data=folder",))
    assert estimate(trials, operations_per_second=1e12)[0].seconds is None
    assert estimate(trials, 100, 10, operations_per_second=1e12)[0].seconds is not None


def test_probe_measures_a_plausible_speed() -> None:
    (trial,) = planned(select=("resnet18",), overrides=("data.image_size=8", "batch_size=2"))
    assert 1e8 < probe(trial.recipe, seconds=0.1) < 1e16


@pytest.mark.parametrize(
    ("model", "parameters", "multiply_adds"),
    [
        (Model(name="wrn-16-2", dropout=0.3), 691_674, 101_106_944),
        (Model(name="torchvision:squeezenet1_1", arguments={"dropout": 0.1}), 727_626, 2_995_904),
    ],
)
def test_networks_of_every_kind_have_their_cost(
    model: Model, parameters: int, multiply_adds: int
) -> None:
    (trial,) = planned(select=("resnet18",))
    trial = replace(trial, recipe=trial.recipe.model_copy(update={"model": model}))
    (cost,) = estimate([trial])
    assert (cost.parameters, cost.multiply_adds) == (parameters, multiply_adds)
