"""Random numbers that follow from (seed, epoch) alone, whoever asks for them and when."""

import numpy as np
import torch


def epoch_generator(seed: int, epoch: int, stream: int = 0) -> torch.Generator:
    """Return a CPU generator of its own for each (seed, epoch, stream), well mixed for neighbours.

    Whoever draws from a stream of its own changes no other's numbers by drawing more or less.
    """
    key = (stream,) if stream else ()
    sequence = np.random.SeedSequence([seed % 2**64, epoch], spawn_key=key)
    return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0]) % 2**63)
