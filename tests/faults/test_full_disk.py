"""A disk that is full or cannot be written: one line, exit 3, and the same command goes on."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.bench_command import STUDY

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk"),
]

SMALL = STUDY.replace("blocks: [2, 2, 2], channels: [32, 64, 128]", "blocks: [1], channels: [64]")
SEARCH = """
search: {scheduler: none, confirm: 0, spaces: {rates: {axes: {optimizer.lr: {grid: [0.02, 0.01]}}}}}
"""
RESRAY = f'"{sys.executable}" -c "from resray.cli import main; main()"'
COMMAND = f"{RESRAY} $VERB ./tiny.yaml --gpus 0 --workers 1 --epochs 3 --out small"

ON_A_SMALL_DISK = f"""
mkdir small && mount -t tmpfs -o size=$SIZE x small || exit 77
if [ "$FILL" ]; then
    # The checkpoints have room elsewhere, so that it is the tables that have none.
    mkdir -p small/results/tiny/checkpoints
    mount -t tmpfs -o size=100m y small/results/tiny/checkpoints
    (until [ -e small/results/tiny/epochs ]; do sleep 0.1; done
     dd if=/dev/zero of=small/fill bs=1k) 2>/dev/null &
fi
{COMMAND} >first.txt 2>&1
echo $? >first.code
ls -A small/results/tiny/checkpoints/* small/results/tiny/.writing >left.txt 2>/dev/null
rm -f small/fill
mount -o remount,size=300m small
{COMMAND} >second.txt 2>&1
echo $? >second.code
cp -r small/results/tiny/trials small/results/tiny/epochs .
"""


def run(folder: Path, script: str, **environment: str) -> None:
    """Run a shell script in a folder, with mounts of its own that end with it."""
    (folder / "tiny.yaml").write_text(SMALL + SEARCH)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=folder,
        env={**os.environ, **environment},
        timeout=600,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("no small disk can be mounted here")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "fill"),
    [
        pytest.param("bench", "", id="a checkpoint"),
        pytest.param("bench", "yes", id="a table"),
        pytest.param("tune", "yes", id="a table of a search"),
    ],
)
def test_no_room_is_one_line_and_the_same_command_goes_on(
    tmp_path: Path, verb: str, fill: str
) -> None:
    # A checkpoint has 0.3 MB, 0.6 with its optimizer, and the tables have 0.1.
    run(tmp_path, ON_A_SMALL_DISK, VERB=verb, FILL=fill, SIZE="10m" if fill else "700k")
    first = (tmp_path / "first.txt").read_text()
    assert (tmp_path / "first.code").read_text() == "3\n", first
    last = first.splitlines()[-1]
    assert last.startswith("resray: no space left on ")
    assert last.endswith("; make room, the same command goes on")
    assert "Traceback" not in first
    left = (tmp_path / "left.txt").read_text().split()
    assert not [name for name in left if name.startswith(".")], "half files are removed"
    second = (tmp_path / "second.txt").read_text()
    assert (tmp_path / "second.code").read_text() == "0\n", second
    trials, epochs = (pd.read_parquet(tmp_path / name) for name in ("trials", "epochs"))
    assert set(trials["status"]) <= {"completed", "stopped"}
    assert not epochs.duplicated(["trial_id", "epoch"]).any()
    done = epochs.groupby("trial_id").size()
    assert done.to_dict() == trials.set_index("trial_id")["epochs_done"].to_dict()


def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    mounted = "mkdir small && mount -t tmpfs x small || exit 77\nmount -o remount,ro small\n"
    run(tmp_path, f"{mounted}{COMMAND} >first.txt 2>&1\necho $? >first.code", VERB="bench")
    said = (tmp_path / "first.txt").read_text()
    assert said == "resray: small/reports: cannot be written (Read-only file system)\n"
    assert (tmp_path / "first.code").read_text() == "3\n"
