"""What all tests share."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Networks this small are slower on several threads, which would also wait for each other."""
    torch.set_num_threads(1)
