"""The training loops that resray's is measured against, each over the same images and network.

Every contestant is a function that trains one more epoch and returns its images per second.
"""

import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from resray.data.splits import Splits
from resray.models.build import build_model
from resray.study.recipe_spec import Recipe
from resray.training.context import LocalContext
from resray.training.device import autocast, wait_for
from resray.training.fit import Trainer, fit

Epoch = Callable[[], float]
Batches = Iterable[Sequence[torch.Tensor]]


@dataclass(frozen=True)
class Setting:
    """What all contestants train, and in which precision and layout resray does."""

    recipe: Recipe
    splits: Splits
    device: torch.device
    precision: str
    channels_last: bool

    def network(self, *, channels_last: bool) -> nn.Module:
        """Return the recipe's network on the device."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        network = build_model(self.recipe.model, len(self.splits.class_names))
        network.to(self.device, memory_format=layout)  # type: ignore[call-overload]
        return network

    def timed(self, train: Callable[[], None]) -> float:
        """Return the images per second of an epoch that ``train`` goes through."""
        # resray sets what its recipe says, for the whole process; PyTorch's default is this.
        torch.backends.cudnn.allow_tf32 = True
        started = time.perf_counter()
        train()
        wait_for(self.device)
        return len(self.splits.train) / (time.perf_counter() - started)


def resray(setting: Setting) -> tuple[Epoch, Trainer]:
    """Return `fit()`, epoch by epoch, and its trainer; its speed is that of its records."""
    trainer = Trainer(setting.recipe, setting.splits, LocalContext(setting.device), seed=0)
    records = fit(trainer)
    return lambda: float(next(records)["images_per_second"]), trainer


def bare(setting: Setting, trainer: Trainer) -> Epoch:
    """Return a loop over batches that lie ready on the device, in resray's precision and layout."""
    loader = trainer.train_loader
    batches = [loader.prepare(*inputs) for inputs in loader.epoch(1)]
    network = setting.network(channels_last=setting.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, fused=True
    )

    def train() -> None:
        for images, labels in batches:
            with autocast(setting.device, setting.precision):
                logits = network(images)
            loss = functional.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return lambda: setting.timed(train)


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """Pillow images, transformed one by one, as torchvision's and timm's datasets give them."""

    def __init__(self, setting: Setting, transform: Any = None) -> None:
        train = setting.splits.train
        self.pictures = [Image.fromarray(each.permute(1, 2, 0).numpy()) for each in train.images]
        self.labels = train.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.pictures[index]), self.labels[index]


def usual_batches(setting: Setting) -> DataLoader[tuple[torch.Tensor, int]]:
    """Return PyTorch's DataLoader with two workers over torchvision's usual CIFAR transforms."""
    transform = v2.Compose(
        [
            v2.RandomCrop(setting.splits.image_size, padding=4),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(setting.splits.mean, setting.splits.std),
        ]
    )
    return DataLoader(
        Pictures(setting, transform),
        batch_size=setting.recipe.batch_size,
        shuffle=True,
        num_workers=2,
        pin_memory=setting.device.type == "cuda",
    )


def plain(setting: Setting) -> Epoch:
    """Return the loop of PyTorch's tutorials as it comes: float32, its loss read at every step."""
    return plain_loop(setting, "fp32", channels_last=False)


def plain_tuned(setting: Setting) -> Epoch:
    """Return the same loop in resray's precision and layout."""
    return plain_loop(setting, setting.precision, channels_last=setting.channels_last)


def plain_loop(setting: Setting, precision: str, *, channels_last: bool) -> Epoch:
    """Return the loop of PyTorch's tutorials in a precision and layout."""
    batches, network = usual_batches(setting), setting.network(channels_last=channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)

    def train() -> None:
        running_loss = 0.0
        for images, labels in batches:
            images = images.to(setting.device, memory_format=layout, non_blocking=True)
            labels = labels.to(setting.device, non_blocking=True)
            with autocast(setting.device, precision):
                loss = functional.cross_entropy(network(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running_loss += loss.item()

    return lambda: setting.timed(train)


def timm_script(setting: Setting) -> Epoch:
    """Return the loop of timm's train.py with that script's settings, but for the image size.

    Those are four workers, a random resized crop, flip and colour jitter, its prefetcher where
    there is a GPU, SGD with Nesterov's momentum, float32, and the loss read at every 50th step.
    """
    from timm.data import create_loader
    from timm.optim import create_optimizer_v2

    network = setting.network(channels_last=False)
    side = setting.splits.image_size
    pictures: Any = Pictures(setting)
    batches: Batches = create_loader(
        pictures,
        input_size=(3, side, side),
        batch_size=setting.recipe.batch_size,
        is_training=True,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        color_jitter=0.4,
        interpolation="random",
        num_workers=4,
        device=setting.device,
        use_prefetcher=setting.device.type == "cuda",
    )
    optimizer = create_optimizer_v2(network, opt="sgd", lr=0.1, momentum=0.9, weight_decay=2e-5)
    loss_function = nn.CrossEntropyLoss()

    def train() -> None:
        for index, (images, labels) in enumerate(batches):
            loss = loss_function(network(images.to(setting.device)), labels.to(setting.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if index % 50 == 0:
                loss.item()

    return lambda: setting.timed(train)


def lightning_trainer(setting: Setting) -> Epoch:
    """Return Lightning's Trainer at its defaults, but for bars and tips on the terminal.

    It logs the loss, as its documentation does. The clock runs from an epoch's start to its end.
    """
    import lightning

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = setting.network(channels_last=False)

        def training_step(self, batch: Sequence[torch.Tensor], index: int) -> torch.Tensor:
            loss = functional.cross_entropy(self.network(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)

    class Clock(lightning.Callback):
        started = ended = 0.0

        def on_train_epoch_start(self, *of: Any) -> None:
            wait_for(setting.device)
            self.started = time.perf_counter()

        def on_train_epoch_end(self, *of: Any) -> None:
            wait_for(setting.device)
            self.ended = time.perf_counter()

    batches, module = usual_batches(setting), Module()

    def epoch() -> float:
        clock = Clock()
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lightning.Trainer(
                max_epochs=1,
                callbacks=[clock],
                default_root_dir=folder,
                enable_progress_bar=False,
                enable_model_summary=False,
            ).fit(module, batches)
        return len(setting.splits.train) / (clock.ended - clock.started)

    return epoch


def eager(setting: Setting) -> Epoch:
    """Return resray's own `fit()` with the eager step, for other forms to be held against."""
    recipe = setting.recipe.model_copy(update={"step": "eager"})
    return resray(replace(setting, recipe=recipe))[0]


PEERS: dict[str, Callable[[Setting], Epoch]] = {
    "eager": eager,
    "plain": plain,
    "plain-tuned": plain_tuned,
    "timm": timm_script,
    "lightning": lightning_trainer,
}
"""By name; `bare`, which takes resray's batches, is another."""
