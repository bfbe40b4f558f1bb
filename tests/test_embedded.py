"""Embedded images are reproducible, cannot be told by colour, and can be learnt by a network."""

import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from resray.data.dataset import Dataset, Images
from resray.data.embedded import generate
from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.errors import DataError
from resray.study.data_spec import Data
from tests.studies import made

CHANCE = 0.1


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return open_dataset(made(Data, name="embedded", images=2000, image_size=16))


def features(part: Images) -> torch.Tensor:
    return part.images.float().flatten(1) / 255 - 0.5


def linear_accuracy(train: torch.Tensor, test: torch.Tensor, dataset: Dataset) -> float:
    """Test accuracy of ridge regression onto the classes."""
    targets = F.one_hot(dataset.train.labels).double() - CHANCE
    train, test = (F.pad(x.double(), (0, 1), value=1.0) for x in (train, test))
    penalty = 10 * torch.eye(train.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(train.T @ train + penalty, train.T @ targets)
    return float(((test @ weights).argmax(1) == dataset.test.labels).double().mean())


def test_equal_specs_give_equal_images(dataset: Dataset) -> None:
    again = open_dataset(made(Data, name="embedded", images=2000, image_size=16))
    assert again.checksum == dataset.checksum
    assert torch.equal(again.train.images, dataset.train.images)
    assert dataset.source == "embedded images"
    other = open_dataset(made(Data, name="embedded", images=2000, image_size=16, classes=9))
    assert other.checksum != dataset.checksum


def test_shapes_and_balance(dataset: Dataset) -> None:
    assert dataset.train.images.shape == (2000, 3, 16, 16)
    assert dataset.test.images.shape == (400, 3, 16, 16)
    assert dataset.train.images.dtype == torch.uint8
    assert torch.bincount(dataset.train.labels).tolist() == [200] * 10
    assert torch.bincount(dataset.test.labels).tolist() == [40] * 10


@pytest.mark.parametrize(("classes", "size"), [(2, 8), (37, 20), (1000, 32)])
def test_any_class_count_and_size(classes: int, size: int) -> None:
    dataset = open_dataset(
        made(Data, name="embedded", classes=classes, images=1000, image_size=size)
    )
    assert len(dataset.class_names) == classes
    assert dataset.train.images.shape == (1000, 3, size, size)
    assert torch.bincount(dataset.train.labels).min() >= 1000 // classes


def test_train_and_test_share_no_image(dataset: Dataset) -> None:
    both = torch.cat([dataset.train.images, dataset.test.images])
    assert len(both.flatten(1).unique(dim=0)) == len(both)


@pytest.mark.parametrize(
    ("key", "value"), [("classes", 1), ("images", 5), ("image_size", 7), ("image_size", 1025)]
)
def test_impossible_wishes_name_the_key(key: str, value: int) -> None:
    with pytest.raises(DataError, match=rf"data\.{key}: {value:,}"):
        open_dataset(made(Data, {"name": "embedded", key: value}))


def test_colour_tells_nothing(dataset: Dataset) -> None:
    def colours(part: Images) -> torch.Tensor:
        pixels = part.images.float().flatten(2) / 255
        return torch.cat([pixels.mean(2), pixels.std(2)], dim=1)

    assert linear_accuracy(colours(dataset.train), colours(dataset.test), dataset) < 0.2


def small_network() -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def network_accuracy(dataset: Dataset, epochs: int) -> float:
    """Test accuracy of a small network trained for a few seconds."""
    splits = prepare(dataset, made(Data, name="embedded", validation_images=0))
    torch.manual_seed(0)
    network = small_network()
    images = features(splits.train).unflatten(1, (3, 16, 16))
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(epochs):
        for index in torch.randperm(len(images)).split(50):
            loss = F.cross_entropy(network(images[index]), splits.train.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        logits = network.eval()(features(splits.test).unflatten(1, (3, 16, 16)))
    return float((logits.argmax(1) == splits.test.labels).double().mean())


def test_a_network_learns_what_a_linear_model_does_not(dataset: Dataset) -> None:
    linear = linear_accuracy(features(dataset.train), features(dataset.test), dataset)
    network = network_accuracy(dataset, epochs=4)
    assert linear < 0.4
    assert 0.6 < network < 0.97


def test_generation_is_quick() -> None:
    started = time.process_time()
    generate(1000, 10, 32, seed=1)
    assert time.process_time() - started < 1.0
