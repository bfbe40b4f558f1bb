"""The shape of a recipe's data and of its loader: unions, told apart by the name."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from resray.study.strict import (
    NUMBER,
    ChannelScales,
    ChannelValues,
    Count,
    Mistake,
    Named,
    Size,
    named,
)


class Images(Named):
    """What all datasets have."""

    image_size: Annotated[int, Field(ge=1, le=4096), NUMBER] | None = None
    """Images are resized to this many pixels a side; null keeps the dataset's own size."""
    validation_images: Size | None = 5000
    """Held out of train, class-balanced, for selection. Null, as beside ``folder`` if nothing else
    is said: the images in its val/ or validation/ beside test/, or else a tenth."""
    split_seed: Literal["trial"] | Annotated[int, Field(ge=-(2**63), lt=2**64), NUMBER] = 0
    """Draws validation and limited subsets. ``trial``: each trial's own seed draws what it trains
    and selects on, and 0 what it is tested on, so that all trials are tested on the same images."""
    limit_train: Count | None = None
    limit_eval: Count | None = None
    mean: ChannelValues | None = None
    std: ChannelScales | None = None
    """Normalisation of pixel values in [0, 1]; null takes the dataset's usual figures."""

    @property
    def test_seed(self) -> int:
        """The seed that draws the test images, where not all or not a part of their own are."""
        return 0 if self.split_seed == "trial" else self.split_seed

    def train_seed(self, trial_seed: int) -> int:
        """Return the seed that draws the images for training and validation of a trial."""
        return trial_seed if self.split_seed == "trial" else self.split_seed

    def mistakes(self) -> Iterator[Mistake]:
        if self.validation_images is None and self.name != "folder":
            yield Mistake(("validation_images",), "null is for a folder; give a number")


class Cifar(Images):
    """CIFAR-10 and CIFAR-100."""

    name: Literal["cifar10", "cifar100"]


class Embedded(Images):
    """Images that resray draws itself."""

    name: Literal["embedded"]
    classes: Annotated[int, Field(ge=1, le=1000), NUMBER] | None = None
    """Number of classes (default 10)."""
    images: Count | None = None
    """Training images before the split (default 5,000); a fifth as many for test."""


class Folder(Images):
    """Images of one's own."""

    name: Literal["folder"]
    folder: str | None = None
    """Where they are, from the study file's folder on: a folder or a Parquet file. Null: where
    ``--data-dir`` says."""

    @model_validator(mode="before")
    @classmethod
    def holds_out_a_share(cls, value: Any) -> Any:
        own = isinstance(value, dict) and value.get("folder") is not None
        return {"validation_images": None, **value} if own else value


Data = Annotated[Cifar | Embedded | Folder, Field(discriminator="name"), named()]
"""The images: which dataset, how it is split, and by how much it is reduced."""


class DeviceLoader(Named):
    """All images live on the device as uint8 and whole batches are augmented."""

    name: Literal["device"] = "device"
    shuffle: bool = True
    """False: every epoch has the images in the dataset's own order."""
    drop_last: bool = False
    """Leave out an epoch's last batch where it is smaller than the others."""


class PerImageLoader(Named):
    """PyTorch's DataLoader over torchvision's transforms, the classic way (flip and crop only)."""

    name: Literal["per-image"]
    shuffle: bool = True
    drop_last: bool = False
    workers: Size = 0
    """Processes that prepare batches; 0 does it between the training steps."""
    pinned_memory: bool = False
    """Batches are copied from page-locked memory; no effect without a GPU."""


Loader = Annotated[DeviceLoader | PerImageLoader, Field(discriminator="name"), named("device")]
"""How images come to the device."""
