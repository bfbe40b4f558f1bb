"""Where what Ray prints goes."""

import logging
from pathlib import Path

import pytest

from resray.run.cluster import chatter_to


def test_a_log_on_a_full_disk_ends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with chatter_to(Path("/dev/full")):
        logging.getLogger("ray").error("of Ray's own")
        print("of the command")
    print("of ours", flush=True)
    assert capfd.readouterr().out.endswith("of ours\n")
