"""One injection: a command is disturbed, the same command goes on, and everything is checked."""

import shutil
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from tests.faults import inline
from tests.faults.checks import (
    Epochs,
    Problem,
    Reference,
    end_problems,
    hidden_problems,
    output_problems,
)
from tests.faults.command import CASES, POINTS, Command, stored
from tests.faults.damage import Damage
from tests.faults.failpoint import Failpoint
from tests.faults.kinds import KINDS, Kind, Scene
from tests.faults.processes import Remains, bury

TRIES = 3
"""How often the same command may need to be called until it is done."""
REPORT_BYTES = 500_000
"""A report is larger than that: it brings its plotting library along."""


@dataclass
class Record:
    """What was done, when, and what came of it."""

    number: int
    kind: str
    case: str
    what: str = ""
    codes: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    seconds: float = 0

    def __str__(self) -> str:
        came = "ok" if not self.problems else "; ".join(map(str, self.problems))
        codes = ", ".join(map(str, self.codes))
        return (
            f"{self.number:4} {self.kind:18} {self.case:14} {self.what} -> exit {codes} "
            f"({self.seconds:.0f} s): {came}"
        )

    def note(self, problems: Iterable[Problem]) -> None:
        """Take problems in, each once."""
        self.problems += [each for each in problems if each not in self.problems]


class Injector:
    """Injects faults in folders below ``work``, and keeps those in which something went wrong."""

    def __init__(self, work: Path, rng: Random) -> None:
        self.work, self.rng = work, rng
        self.remains = Remains()
        self._references: dict[str, Reference] = {}
        self._changes: dict[str, list[int]] = {}
        self._number = 0

    def inject(self, kind: str, case: str) -> Record:
        """Do one injection."""
        self.reference(case)
        self._number += 1
        record = Record(self._number, kind, case)
        began = time.monotonic()
        with self.folder(f"{self._number:03}-{kind}-{case}", record) as folder:
            if case in inline.CASES:
                self.inline(record, folder)
            else:
                self.disturb(record, KINDS[kind], folder)
        record.seconds = time.monotonic() - began
        return record

    @contextmanager
    def folder(self, name: str, record: Record) -> Iterator[Path]:
        """Give a folder that stays only if something went wrong; an error of ours did too."""
        folder = self.work / name
        folder.mkdir()
        try:
            yield folder
        except Exception as error:
            (folder / "harness.txt").write_text(traceback.format_exc())
            record.problems.append(Problem("other", f"{type(error).__name__}: {error}"))
        bury()
        if not record.problems:
            shutil.rmtree(folder)
        # Ray keeps the files of its sessions for ever.
        for session in sorted((self.work / "r" / "ray").glob("session_2*"))[:-3]:
            shutil.rmtree(session, ignore_errors=True)

    def reference(self, case: str) -> Reference:
        """Return what the undisturbed run of a case leaves, made when it is first asked for."""
        if case not in self._references:
            folder = self.work / f"reference-{case}"
            folder.mkdir()
            out, failpoint = folder / "out", Failpoint(str(folder / "out"), str(folder / "changes"))
            if case in inline.CASES:
                code = inline.run(case, out, folder / "output.txt", failpoint)
            else:
                scene = Scene(out, failpoint=failpoint)
                with self.command(case, scene, folder / "output.txt") as command:
                    code = command.wait()
                    command.settle()
                    self.remains.watch(f"reference of {case}", command.family)
            assert code == 0, f"the undisturbed run of {case}: see {folder}"
            self._references[case] = Reference.of(out, case, failpoint.count)
            print(f"undisturbed: {case}, {failpoint.count} changes of files", flush=True)
        return self._references[case]

    def command(self, case: str, scene: Scene, log: Path) -> Command:
        """Start a case's command as a scene wants it."""
        environment = {"RAY_TMPDIR": str(self.work / "r"), **scene.environment}
        if scene.failpoint is not None:
            environment |= scene.failpoint.environment(self.work / "site")
        return Command(
            CASES[case], scene.out, log,
            options=scene.options, before=scene.before, environment=environment,
        )  # fmt: skip

    def disturb(self, record: Record, kind: Kind, folder: Path) -> None:
        """Disturb a command, check what it leaves at once, and go on."""
        make = kind.scene or plain
        with make(folder) as scene:
            if self.rng.random() < 0.7:
                scene.options = (*scene.options, "--checkpoint-seconds", "0")
            else:
                record.what = "rare checkpoints; "
            disturbed = scene
            if record.kind == "write":
                disturbed = replace(scene, failpoint=self.failpoint(record.case, folder))
            before = self.first(record, kind, disturbed, folder)
            damage = self.damaged(record, kind, scene, folder)
            self.again(record, scene, folder, before, damage)

    def damaged(self, record: Record, kind: Kind, scene: Scene, folder: Path) -> Damage | None:
        """Do to the files what belongs to the fault; what was harmed is kept for later."""
        if kind.damage is None:
            return None
        damage = kind.damage(scene.out / "results" / "tiny", self.rng)
        record.what += f"; {damage.text if damage else 'no file to harm'}"
        if damage:
            shutil.copy(damage.path, folder / f"harmed-{damage.path.name}")
        return damage

    def failpoint(self, case: str, folder: Path) -> Failpoint:
        """Return the next of a case's failpoints, which come in a random order."""
        if not self._changes.get(case):
            numbers = list(range(1, self.reference(case).changes + 1))
            self.rng.shuffle(numbers)
            self._changes[case] = numbers
        number, torn = self._changes[case].pop(), self.rng.random() < 0.5
        return Failpoint(str(folder / "out"), str(folder / "changes"), number, torn)

    def first(self, record: Record, kind: Kind, scene: Scene, folder: Path) -> Epochs:
        """Run a command with a fault; return what is stored of the epochs after it."""
        with self.command(record.case, scene, folder / "first.txt") as command:
            record.what += kind.inject(command, self.rng, scene)
            code = command.wait()
            record.codes.append(code)
            if self.rng.random() < 0.5:
                command.settle()
                record.what += ", gone on later"
            self.remains.watch(record, command.family)
        record.note(self.ended_problems(command, code, {0, *kind.codes}))
        after = Epochs.read(command.results)
        record.note(after.problems())
        return after

    def ended_problems(self, command: Command, code: int, codes: set[int]) -> Iterator[Problem]:
        """How a command ended, and what it said and left."""
        if command.hung:
            yield Problem("hang", f"killed; {command.log} or ray.log says where it was")
            return
        if code not in codes:
            yield Problem("code", f"exit {code}, not {' or '.join(map(str, sorted(codes)))}")
        if -code in (2, 15) and command.output.strip():
            yield Problem("code", f"died of signal {-code} in its middle")
        yield from output_problems(command.output, code)
        if code in (0, 130):
            yield from hidden_problems(command.out)
        trials = stored(command.results, "trials")
        if code == 130 and not trials.empty:
            if "running" in set(trials["status"]):
                yield Problem("other", "trials that run, after exit 130")
            if not command.report.exists():
                yield Problem("other", "no report after exit 130")

    def again(
        self, record: Record, scene: Scene, folder: Path, before: Epochs, damage: Damage | None
    ) -> None:
        """Run the same command without a fault until it is done, and check everything."""
        for turn in range(TRIES):
            with self.command(record.case, scene, folder / f"again-{turn}.txt") as command:
                code = command.wait()
                command.settle()
                self.remains.watch(record, command.family)
            record.codes.append(code)
            record.note(self.ended_problems(command, code, {0}))
            if damage and turn == 0 and damage.path.name not in command.output:
                record.note([Problem("message", f"nothing about {damage.path.name}")])
            if code == 0:
                break
        report = command.report
        fresh = report.exists() and report.stat().st_mtime > command.began
        if not fresh or report.stat().st_size < REPORT_BYTES:
            record.note([Problem("other", "no new report")])
        lost = damage.lost_tables if damage else ()
        record.note(Epochs.read(command.results).since(before))
        record.note(
            end_problems(scene.out, record.case, self.reference(record.case),
                         lost_tables=lost, points=POINTS)
        )  # fmt: skip

    def inline(self, record: Record, folder: Path) -> None:
        """End a process in one of its changes of files, maybe the next one too, and go on."""
        out, log = folder / "out", folder / "output.txt"
        before = Epochs()
        for failpoint in self.inline_failpoints(record.case, folder):
            record.codes.append(inline.run(record.case, out, log, failpoint))
            ended = failpoint.log.read_text() if failpoint.log.exists() else "nothing"
            record.what += f"change {failpoint.at}, before: {ended}; "
            if record.codes[-1] not in (-9, 0):
                record.note([Problem("code", f"exit {record.codes[-1]}")])
            now = Epochs.read(out / "results" / "small")
            record.note([*now.problems(), *now.since(before)])
            before = now
        unarmed = Failpoint(str(out), str(folder / "last"))
        record.codes.append(inline.run(record.case, out, log, unarmed))
        if record.codes[-1] != 0:
            record.note([Problem("code", f"the same again: exit {record.codes[-1]}")])
        record.note(Epochs.read(out / "results" / "small").since(before))
        reference = self.reference(record.case)
        record.note(end_problems(out, record.case, reference, points=inline.POINTS))

    def inline_failpoints(self, case: str, folder: Path) -> Iterator[Failpoint]:
        """Yield one failpoint, and sometimes one more, early in the run that goes on."""
        yield self.failpoint(case, folder)
        if self.rng.random() < 0.3:
            number = self.rng.randint(1, 12)
            yield Failpoint(str(folder / "out"), str(folder / "more"), number)


@contextmanager
def plain(folder: Path) -> Iterator[Scene]:
    """Give a folder like any other."""
    yield Scene(folder / "out")
