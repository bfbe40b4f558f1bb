"""Files that come to harm between two commands: bits that flip, ends that are missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from resray.results.schema import TABLES
from tests.faults.command import stored

HARM = ("cut", "flipped", "flipped", "empty")


@dataclass(frozen=True)
class Damage:
    """A file that was harmed, and what with it is lost for good."""

    path: Path
    text: str
    lost_tables: Sequence[str] = ()


def damaged_checkpoint(results: Path, rng: Random) -> Damage | None:
    """Harm the newest checkpoint of a trial that has not ended; None if there is none."""
    trials = stored(results, "trials")
    if trials.empty:
        return None
    unfinished = set(trials.loc[trials["status"] == "running", "trial_id"])
    files = [path for path in (results / "checkpoints").glob("*/last.pt")
             if path.parent.name in unfinished]  # fmt: skip
    return harm(max(files, key=lambda path: path.stat().st_mtime_ns), rng) if files else None


def damaged_table(results: Path, rng: Random) -> Damage | None:
    """Harm one of the files of the tables; None if there is none."""
    files = sorted(path for table in TABLES for path in (results / table).glob("[!._]*.parquet"))
    return harm(rng.choice(files), rng, lost_in_tables=True) if files else None


def harm(path: Path, rng: Random, *, lost_in_tables: bool = False) -> Damage:
    """Change what a file holds, in one of the ways of `HARM`."""
    how = rng.choice(HARM)
    content = bytearray(path.read_bytes())
    if how == "empty":
        content.clear()
    elif how == "cut":
        del content[rng.randrange(1, len(content)) :]
    else:
        for _ in range(rng.choice([1, 1, 4])):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    table = path.parent.name
    return Damage(path, f"{table}/{path.name} {how}", (table,) if lost_in_tables else ())
