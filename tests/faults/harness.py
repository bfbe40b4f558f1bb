"""Injects faults into small runs of resray and checks that nothing was lost.

    python -m tests.faults.harness --seed 1 --minutes 20
    python -m tests.faults.harness --seed 1 --minutes 5 --kinds write-inline
    python -m tests.faults.harness --seed 1 --injections 3 --kinds kill-driver --cases bench

One line for each injection, a table by kind at the end; exit code 1 if anything did not hold, whose
folders then stay. The seed decides what is injected; what a moment meets depends on the machine.
docs/reliability.md says what is checked.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

from tests.faults import inline
from tests.faults.checks import KINDS as PROBLEMS
from tests.faults.checks import Problem
from tests.faults.command import CASES
from tests.faults.injection import Injector, Record
from tests.faults.kinds import KINDS
from tests.faults.processes import adopt_orphans, descendants, kill

INLINE = "write-inline"
INLINE_WEIGHT = 10
COUNTED = ("lost", "doubled", "different")
"""Problems of which the table says how many epochs they concern, not in how many injections."""
HEADINGS = {
    "lost": "epochs lost",
    "doubled": "epochs doubled",
    "different": "metrics different",
    "orphan": "orphans",
    "hang": "hangs",
    "stray": "stray files",
    "code": "wrong exit codes",
    "message": "messages",
    "other": "other",
}
"""What the table calls each kind of problem."""
MEMORY = Path("/dev/shm")
WORK = MEMORY if MEMORY.is_dir() else Path(tempfile.gettempdir())
"""A kill loses nothing that was written, so it need not be written to a disk, which takes time."""


def main() -> int:
    """Inject for some minutes, or so many faults; return the exit code."""
    asked = arguments()
    adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM):
        # What a shell runs in the background, and all below it, would ignore Ctrl-C.
        signal.signal(number, signal.default_int_handler)
    work = Path(tempfile.mkdtemp(prefix="faults-", dir=asked.work))
    injector = Injector(work, Random(asked.seed))
    print(f"seed {asked.seed}, in {work}", flush=True)
    records: list[Record] = []
    deadline = time.monotonic() + 60 * asked.minutes
    try:
        for kind, case in schedule(asked.kinds, asked.cases, Random(asked.seed)):
            if time.monotonic() > deadline or len(records) == asked.injections:
                break
            records.append(injector.inject(kind, case))
            print(records[-1], flush=True)
            note_orphans(injector, wait=False)
        note_orphans(injector, wait=True)
    except KeyboardInterrupt:
        print("interrupted")
    finally:
        kill(descendants(os.getpid()))
    print_table(records)
    return 1 if any(record.problems for record in records) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--injections", type=int, default=-1, help="at most so many")
    parser.add_argument("--kinds", type=names([*KINDS, INLINE]), default=[*KINDS, INLINE])
    parser.add_argument("--cases", type=names([*CASES, *inline.CASES]),
                        default=[*CASES, *inline.CASES])  # fmt: skip
    parser.add_argument("--work", type=Path, default=WORK,
                        help="folder with a short path, for Ray's sockets")  # fmt: skip
    return parser.parse_args()


def names(valid: Sequence[str]) -> Callable[[str], list[str]]:
    """Return what reads some of the ``valid`` names, separated by commas."""

    def read(text: str) -> list[str]:
        given = text.split(",")
        if wrong := [name for name in given if name not in valid]:
            raise argparse.ArgumentTypeError(f"{wrong[0]}: must be of {', '.join(valid)}")
        return given

    return read


def schedule(kinds: Sequence[str], cases: Sequence[str], rng: Random) -> Iterator[tuple[str, str]]:
    """Yield kinds and cases for ever, in rounds in which each kind comes up."""
    possible = {kind: [case for case in cases_of(kind) if case in cases] for kind in kinds}
    for kind in [*possible]:
        if missing := kind in KINDS and KINDS[kind].needs():
            print(f"skipped: {kind} {missing}")
            del possible[kind]
    possible = {kind: found for kind, found in possible.items() if found}
    while possible:
        turn = [kind for kind in possible for _ in range(weight(kind))]
        rng.shuffle(turn)
        yield from ((kind, rng.choice(possible[kind])) for kind in turn)


def cases_of(kind: str) -> Sequence[str]:
    return inline.CASES if kind == INLINE else KINDS[kind].cases


def weight(kind: str) -> int:
    return INLINE_WEIGHT if kind == INLINE else KINDS[kind].weight


def note_orphans(injector: Injector, *, wait: bool) -> None:
    """Say what commands have left running for more than a minute."""
    for owner, process in injector.remains.overdue(wait=wait):
        print(f"orphan of {owner}: {process}", flush=True)
        if isinstance(owner, Record):
            owner.note([Problem("orphan", process)])


def print_table(records: Sequence[Record]) -> None:
    """Print by kind how many injections there were, and what did not hold."""
    heads = ["kind", "injections", "survived", *(HEADINGS[each] for each in PROBLEMS)]
    rows = [row_of(kind, [each for each in records if each.kind == kind])
            for kind in dict.fromkeys(each.kind for each in records)]  # fmt: skip
    rows.append(row_of("all", records))
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def row_of(kind: str, records: Sequence[Record]) -> list[str]:
    survived = sum(not each.problems for each in records)
    return [
        kind,
        str(len(records)),
        str(survived),
        *(str(sum(counts(record, problem) for record in records)) for problem in PROBLEMS),
    ]


def counts(record: Record, kind: str) -> int:
    """Return how many epochs a record's problems of a kind concern, or whether it has any."""
    of_kind = [each for each in record.problems if each.kind == kind]
    return sum(each.count for each in of_kind) if kind in COUNTED else bool(of_kind)


if __name__ == "__main__":
    sys.exit(main())
