"""What the ranks that train together agree on."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed

from resray.errors import ResrayError
from resray.training.context import Context

T = TypeVar("T")


def on_all_ranks(context: Context, action: Callable[[], T]) -> T:
    """Return what ``action`` gives on this rank; if it fails on one rank, raise that on every rank.

    A rank that went on alone would wait for the others until a time-out.
    """
    result: list[T] = []
    failure = None
    try:
        result.append(action())
    except ResrayError as error:
        failure = error
    for each in gathered(context, failure):
        if each is not None:
            raise each
    return result[0]


def gathered(context: Context, value: T) -> list[T]:
    """Return every rank's ``value``."""
    if context.world_size == 1:
        return [value]
    values: list[Any] = [None] * context.world_size
    torch.distributed.all_gather_object(values, value)
    return values
