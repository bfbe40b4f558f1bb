"""Pack what a call of `gpu.py` takes to a machine that reaches nothing: images and wheels.

    python benchmarks/speed/pack_gpu.py 1 --data-dir /work/shared/data     # for the first call
    python benchmarks/speed/pack_gpu.py 2 --data-dir /work/shared/data     # for the second

Both go to the ignored folder .gpu/ of the checkout, at most 60 MB. The first call takes CIFAR-10
and a shard of CIFAR-100's training images, the second another shard and the test images. `unpack`
(what the command printed here does there) keeps them in /tmp/resray-gpu, so that the second call,
on the same machine, has both shards and CIFAR-10; on a fresh one it has what it brought.
"""

import argparse
import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

MOST_BYTES = 60_000_000
WHEELS = ("pydantic", "pydantic-core", "annotated-types", "typing-inspection")
"""What the machine's image lacks of what training imports."""
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
FILES: dict[int, dict[str, tuple[str, ...]]] = {
    1: {"cifar10": ("train-*", "test-*"), "cifar100": ("train-00000-*",)},
    2: {"cifar100": ("train-00001-*", "test-*")},
}
PACKED, KEPT = Path(".gpu"), Path("/tmp/resray-gpu")
COMMAND = """\
python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade \
--target /tmp/site .gpu/wheels/*.whl && export PYTHONPATH=/tmp/site:$PWD PYTHONUNBUFFERED=1 && \
python3 benchmarks/speed/pack_gpu.py unpack && set -o pipefail && \
python3 benchmarks/speed/gpu.py --part {part} --data-dir /tmp/resray-gpu --out $OUT 2>&1 | \
tee $OUT/log-{part}.txt"""


def main() -> None:
    """Pack for a call, or unpack on the machine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("1", "2", "unpack"))
    parser.add_argument("--data-dir", type=Path, help="holds cifar10/ and cifar100/ as Parquet")
    asked = parser.parse_args()
    if asked.what == "unpack":
        unpack(PACKED, KEPT)
    elif asked.data_dir is None:
        parser.error("--data-dir: where are the images?")
    else:
        pack(int(asked.what), asked.data_dir)


def pack(part: int, data_dir: Path) -> None:
    """Copy and download what a call takes, and print its command."""
    shutil.rmtree(PACKED, ignore_errors=True)
    for dataset, patterns in FILES[part].items():
        (PACKED / dataset).mkdir(parents=True)
        for path in (path for pattern in patterns for path in (data_dir / dataset).glob(pattern)):
            shutil.copyfile(path, PACKED / dataset / path.name)
    download_wheels(PACKED / "wheels")
    size = sum(path.stat().st_size for path in PACKED.rglob("*") if path.is_file())
    print(f"{PACKED}: {size / 1e6:.1f} MB. Run with carry [{str(PACKED)!r}], timeout_s 420:\n")
    print(COMMAND.format(part=part))
    if size > MOST_BYTES:
        raise SystemExit(f"{PACKED}: {size:,} bytes, and {MOST_BYTES:,} may travel")


def download_wheels(folder: Path) -> None:
    """Download the wheels for CPython 3.12 on Linux, in the versions that are installed here."""
    wanted = [f"{name}=={version_here(name)}" for name in WHEELS]
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    target = ["--python-version", "3.12", "--implementation", "cp", *platforms]
    download = ["download", "-q", "--no-deps", "--only-binary=:all:", *target]
    # The one with pip: an environment that uv made has none.
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
    subprocess.run([python, "-m", "pip", *download, "-d", str(folder), *wanted], check=True)


def version_here(name: str) -> str:
    """Return the installed version of a package."""
    return importlib.metadata.version(name)


def unpack(packed: Path, kept: Path) -> None:
    """Add what came to what an earlier call left, and number the shards by what is there."""
    for folder in (path for path in packed.iterdir() if path.name != "wheels"):
        raw = kept / "carried" / folder.name
        raw.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            shutil.copyfile(path, raw / path.name)
    for raw in (kept / "carried").iterdir():
        shown = kept / raw.name
        shutil.rmtree(shown, ignore_errors=True)
        shown.mkdir()
        for split in ("train", "test"):
            files = sorted(raw.glob(f"{split}-*.parquet"))
            for index, path in enumerate(files):
                (shown / f"{split}-{index:05}-of-{len(files):05}.parquet").symlink_to(path)


if __name__ == "__main__":
    main()
