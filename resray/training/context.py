"""The one seam between training and whoever runs it.

Training sees a `Context` and nothing of Ray. Tests and scripts use `LocalContext`;
`resray.run` fills the same face with Ray Tune's and Ray Train's reporting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

Message = Mapping[str, Any]


class Preempted(Exception):
    """The process that trains was told to end: its node is drained, or wanted by somebody else."""


class Context(Protocol):
    """Where a training runs, and whom it tells."""

    @property
    def rank(self) -> int:
        """This process's place among the ranks that train together, from 0."""

    @property
    def world_size(self) -> int:
        """How many ranks train together; above 1, torch.distributed is initialised."""

    @property
    def device(self) -> torch.device:
        """The device that this rank trains on."""

    def report(self, message: Message) -> None:
        """Send a message on; every rank calls this equally often."""

    def progress(self, epoch: int, images: int, of: int, seconds: float) -> None:
        """Say how far the running epoch is; called often, from rank 0, and must cost nothing."""

    def check_in(self) -> None:
        """Show that the training goes on; called at every batch, so it must cost nothing.

        Raises Preempted where the training is to end after what it has saved.
        """


@dataclass
class LocalContext:
    """A context for one process without Ray: messages are collected in a list."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rank: int = 0
    world_size: int = 1
    messages: list[Message] = field(default_factory=list)

    def report(self, message: Message) -> None:
        """Keep the message."""
        self.messages.append(message)

    def progress(self, epoch: int, images: int, of: int, seconds: float) -> None:
        """Nobody watches a local training within its epochs."""

    def check_in(self) -> None:
        """Nobody waits for a sign of life, and nobody ends it."""
