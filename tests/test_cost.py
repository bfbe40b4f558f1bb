"""What a study costs, against sums by hand."""

from dataclasses import replace

import pytest

from resray.run.cost import estimate, image_counts, probe
from resray.study.data_spec import Data
from resray.study.expand import Options, PlannedTrial, expand
from resray.study.load import load_study
from resray.study.model_spec import Model
from tests.studies import made


def planned(**options: object) -> list[PlannedTrial]:
    return expand(load_study("depth-family"), Options(**options))  # type: ignore[arg-type]


def test_full_training_of_resnet18() -> None:
    (trial,) = planned(select=("resnet18",))
    cost = estimate(trial, 1e12)
    assert (cost.parameters, cost.multiply_adds, cost.epochs) == (11_173_962, 555_422_720, 200)
    training = 200 * 45_000 * 555_422_720 * 6
    evaluation = 200 * 15_000 * 555_422_720 * 2
    assert cost.training_petaflop == pytest.approx(training / 1e15)
    assert cost.seconds == pytest.approx((training + evaluation) / 1e12)


def test_only_epochs_before_stop_after_count() -> None:
    (trial,) = planned(select=("resnet18",), stop_after=3)
    training = 3 * 45_000 * 555_422_720 * 6
    assert estimate(trial, 1e12).training_petaflop == pytest.approx(training / 1e15)


def test_smaller_images_cost_less() -> None:
    (trial,) = planned(select=("resnet18",), quick=True)
    assert estimate(trial, 1e12).multiply_adds < 555_422_720 / 3


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (made(Data, name="cifar10"), (45_000, 15_000)),
        (made(Data, name="cifar100", validation_images=0), (50_000, 10_000)),
        (made(Data, name="cifar10", limit_train=2000, limit_eval=500), (2000, 1000)),
        (made(Data, name="embedded", images=640, validation_images=128), (512, 256)),
        (made(Data, name="folder"), None),
    ],
)
def test_images_per_epoch(data: Data, expected: tuple[int, int] | None) -> None:
    assert image_counts(data) == expected


def test_folder_has_no_compute_until_its_size_is_known() -> None:
    (trial,) = planned(select=("resnet18",), overrides=("data=folder",))
    cost = estimate(trial, 1e12)
    assert (cost.training_petaflop, cost.seconds) == (None, None)


def test_probe_measures_a_plausible_speed() -> None:
    (trial,) = planned(select=("resnet18",), overrides=("data.image_size=8", "batch_size=2"))
    assert 1e8 < probe(trial.recipe, seconds=0.1) < 1e16


@pytest.mark.parametrize(
    ("model", "parameters", "multiply_adds"),
    [
        (made(Model, name="wrn-16-2", dropout=0.3), 691_674, 101_106_944),
        (
            made(Model, name="torchvision:squeezenet1_1", arguments={"dropout": 0.1}),
            727_626,
            2_995_904,
        ),
    ],
)
def test_networks_of_every_kind_have_their_cost(
    model: Model, parameters: int, multiply_adds: int
) -> None:
    (trial,) = planned(select=("resnet18",))
    trial = replace(trial, recipe=trial.recipe.model_copy(update={"model": model}))
    cost = estimate(trial, 1e12)
    assert (cost.parameters, cost.multiply_adds) == (parameters, multiply_adds)
