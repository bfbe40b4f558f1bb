"""The class that a network predicts of each test image, in the form in which results keep it."""

import json
from typing import Any

import torch
import torch.distributed
from torch.nn import functional

from resray.data.dataset import Dataset, checksum
from resray.data.loader import rank_share
from resray.data.splits import limited_test
from resray.study.data_spec import Data
from resray.training.context import Context

Row = dict[str, Any]


def integer_of(classes: int) -> torch.dtype:
    """Return the smallest type of integers that numbers so many classes."""
    return torch.uint8 if classes <= 2**8 else torch.int16 if classes <= 2**15 else torch.int32


def packed(indices: torch.Tensor, classes: int) -> torch.Tensor:
    """Return class indices (n,) as the bytes of `integer_of` integers, uint8 (n * 1, 2 or 4,).

    The least significant byte comes first, as on every machine that PyTorch runs on.
    """
    return indices.to(integer_of(classes)).view(torch.uint8)


def gathered_in_order(
    indices: list[torch.Tensor], images: int, classes: int, context: Context
) -> torch.Tensor:
    """Return, `packed`, the classes of ``images`` images in their own order, on every rank.

    ``indices`` are, batch by batch, those of this rank's share, as `EvalLoader` gives it.
    """
    none = torch.empty(0, dtype=torch.int64, device=context.device)
    share, ranks = packed(torch.cat([none, *indices]), classes), context.world_size
    if ranks == 1:
        return share
    width = integer_of(classes).itemsize
    sizes = [width * len(rank_share(images, rank, ranks)) for rank in range(ranks)]
    # All ranks send as much as the one with the most images has.
    sent = functional.pad(share, (0, max(sizes) - len(share)))
    shares = [torch.empty_like(sent) for _ in sizes]
    torch.distributed.all_gather(shares, sent)
    return torch.cat([each[:size] for each, size in zip(shares, sizes, strict=True)])


def prediction_columns(predicted: torch.Tensor, epoch: int, dataset: Dataset, spec: Data) -> Row:
    """Return columns of the predictions table: what was ``predicted``, `packed`, of the test images
    that ``spec`` takes of a dataset, and what is needed to judge that."""
    test = limited_test(dataset, spec, spec.limit_eval)
    return {
        "kind": "test",
        "epoch": epoch,
        "images": len(test),
        "predicted": predicted.cpu().numpy().tobytes(),
        "labels": packed(test.labels, len(dataset.class_names)).numpy().tobytes(),
        "class_names": json.dumps(dataset.class_names),
        "test_checksum": checksum(test),
    }
