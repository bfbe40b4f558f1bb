"""The faults: what is done to a command while it runs, and how it may end of that."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.command import CASES, Command
from tests.faults.damage import Damage, damaged_checkpoint, damaged_table
from tests.faults.failpoint import Failpoint
from tests.faults.moments import moment
from tests.faults.processes import Process
from tests.ray_nodes import ray_cluster


@dataclass
class Scene:
    """Where a command is disturbed, and how it is called there, each time."""

    out: Path
    options: Sequence[str] = ()
    before: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    kill_node: Callable[[], None] | None = None
    failpoint: Failpoint | None = None
    """For the disturbed run alone."""


Injection = Callable[[Command, Random, Scene], str]
"""Disturbs a command, and returns what was done when."""


@dataclass(frozen=True)
class Kind:
    """A sort of fault."""

    inject: Injection
    codes: tuple[int, ...]
    """Exit codes with which the disturbed command may end, beside 0 if the fault came too late."""
    cases: tuple[str, ...] = ("bench", "bench", "asha", "halving")
    weight: int = 1
    """How often it comes up in a round."""
    scene: Callable[[Path], AbstractContextManager[Scene]] | None = None
    damage: Callable[[Path, Random], Damage | None] | None = None
    """What is done to the files once the disturbed command has ended."""
    needs: Callable[[], str | None] = lambda: None
    """Returns what is missing here for it."""


def needs_root() -> str | None:
    return None if os.geteuid() == 0 else "needs root, to mount a small disk"


def needs_setpriv() -> str | None:
    missing = os.geteuid() == 0 and shutil.which("setpriv") is None
    return "needs setpriv, as root may write everywhere" if missing else None


def signal_one(processes: Sequence[Process], number: int, rng: Random) -> str:
    """Send a signal to one of several processes; return which."""
    if not processes:
        return "nobody there"
    chosen = rng.choice(processes)
    name = str(chosen)
    return name if chosen.signal(number) else f"{name}, gone already"


def kill_trial(command: Command, rng: Random, scene: Scene) -> str:
    when = moment(command, rng, "training", "training", "between")
    return f"{when}: {signal_one(command.trainers(), signal.SIGKILL, rng)}"


def term_trial(command: Command, rng: Random, scene: Scene) -> str:
    when = moment(command, rng, "training")
    return f"{when}: {signal_one(command.trainers(), signal.SIGTERM, rng)}"


def stop_trial(command: Command, rng: Random, scene: Scene) -> str:
    when = moment(command, rng, "training")
    trainers = command.trainers()
    if not trainers:
        return f"{when}: nobody there"
    chosen, seconds = rng.choice(trainers), rng.choice([3, 20])
    chosen.signal(signal.SIGSTOP)
    time.sleep(seconds)
    chosen.signal(signal.SIGCONT)
    return f"{when}: {chosen}, for {seconds} s"


def kill_rank(command: Command, rng: Random, scene: Scene) -> str:
    when = moment(command, rng, "training")
    name = rng.choice(["RayTrainWorker"] * 3 + ["TrainController"])
    return f"{when}: {signal_one(command.named(name), signal.SIGKILL, rng)}"


def kill_driver(command: Command, rng: Random, scene: Scene) -> str:
    when = moment(command, rng)
    command.signal(signal.SIGKILL)
    return when


def polite(number: int, times: int = 1) -> Injection:
    """Return what sends the driver a signal so many times; Ctrl-C also to its whole group."""

    def inject(command: Command, rng: Random, scene: Scene) -> str:
        when = moment(command, rng)
        group = number == signal.SIGINT and rng.random() < 0.5
        for turn in range(times):
            time.sleep(rng.uniform(0.05, 2) if turn else 0)
            command.signal(number, group=group)
        return f"{when}{', to its group' if group else ''}"

    return inject


def kill_daemon(program: str) -> Injection:
    """Return what kills one of Ray's own processes, and maybe all that train with it."""

    def inject(command: Command, rng: Random, scene: Scene) -> str:
        def there() -> list[Process]:
            return [each for each in command.family if each.program == program]

        wanted = rng.randrange(command.case.epochs // 2)
        command.wait_until(there)
        command.wait_until(lambda: command.count("epochs") >= wanted)
        # Those that train outlive their raylet by seconds, in which a small run may end.
        workers = command.trainers() if rng.random() < 0.5 else []
        which = signal_one(there(), signal.SIGKILL, rng)
        for each in workers:
            each.signal(signal.SIGKILL)
        also = f" and {len(workers)} that train" if workers else ""
        return f"with {wanted} epochs stored: {which}{also}"

    return inject


def kill_node(command: Command, rng: Random, scene: Scene) -> str:
    assert scene.kill_node is not None
    when = moment(command, rng, "training")
    scene.kill_node()
    return when


@contextmanager
def on_two_nodes(folder: Path) -> Iterator[Scene]:
    """Give a scene on a cluster; of its two nodes one can be killed."""
    with ray_cluster(folder / "cluster") as cluster, cluster.node("short-lived") as node:
        options = ("--address", cluster.address)
        yield Scene(folder / "out", options, (), cluster.environment, kill_node=node.kill)


def fill_disk(command: Command, rng: Random, scene: Scene) -> str:
    when = moment(command, rng)
    seconds = rng.choice([rng.uniform(0.5, 3), rng.uniform(3, 12), 100])
    filler = command.out / "filler"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not command.over:
        fill(filler)
        time.sleep(0.05)
    filler.unlink()
    return f"{when}, for {seconds:.1f} s"


def fill(path: Path) -> None:
    """Make a file as long as its disk lets it be."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@contextmanager
def on_a_small_disk(folder: Path) -> Iterator[Scene]:
    out = folder / "out"
    out.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "faults", out], check=True)
    try:
        yield Scene(out)
        shutil.copytree(out, folder / "copy", symlinks=True)
    finally:
        subprocess.run(["umount", "--lazy", out], check=True)


def close_folder(command: Command, rng: Random, scene: Scene) -> str:
    when = moment(command, rng)
    part = rng.choice([command.out, command.results, command.results / "epochs",
                       command.results / "trials", command.results / "checkpoints"])  # fmt: skip
    command.wait_until(part.exists, 30)
    folders = [each for each in [part, *part.rglob("*")] if each.is_dir()]
    for each in folders:
        each.chmod(0o555)
    seconds = rng.choice([rng.uniform(1, 6), 100])
    command.wait_until(lambda: False, seconds)
    for each in folders:
        if each.exists():
            each.chmod(0o755)
    return f"{when}, {part.relative_to(command.out.parent)} for {seconds:.1f} s"


@contextmanager
def without_privileges(folder: Path) -> Iterator[Scene]:
    """Give a scene in which a folder's mode binds the command, also root's."""
    drop = "-dac_override,-dac_read_search,-fowner"
    before = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}"]
    yield Scene(folder / "out", before=before if os.geteuid() == 0 else ())


def second_command(command: Command, rng: Random, scene: Scene) -> str:
    when = moment(command, rng, "starting", "training", "training")
    case = CASES[rng.choice(["bench", "asha"])]
    with Command(case, command.out, command.log.with_name("other.txt")) as other:
        code = other.wait()
        other.settle()
    refused = code == 2 and "is writing here" in other.output.splitlines()[-1]
    assert refused or code == 0, f"the other command: exit {code}: {other.output[-300:]}"
    return f"{when}, by {case.verb}: exit {code}"


def killed_or_finished(command: Command, rng: Random, scene: Scene) -> str:
    if rng.random() < 0.4:
        return "after its end"
    when = moment(command, rng, "training")
    command.signal(signal.SIGKILL)
    return f"killed {when}"


def killed(command: Command, rng: Random, scene: Scene) -> str:
    when = moment(command, rng, "training")
    command.signal(signal.SIGKILL)
    return f"killed {when}"


def kill_in_a_change(command: Command, rng: Random, scene: Scene) -> str:
    assert scene.failpoint is not None
    command.wait_until(scene.failpoint.log.exists, 200)
    log = scene.failpoint.log
    what = log.read_text() if log.exists() else "nothing: fewer changes than undisturbed"
    return f"change {scene.failpoint.at} of a file, before: {what}"


POLITE = (130, -signal.SIGTERM, -signal.SIGINT)
"""Before resray has begun to listen a signal ends Python as it ends any program."""
KINDS = {
    "kill-trial": Kind(kill_trial, (), ("bench", "asha", "halving"), weight=2),
    "kill-rank": Kind(kill_rank, (), ("ranks",), weight=2),
    "kill-driver": Kind(kill_driver, (-9,), weight=3),
    "kill-gcs": Kind(kill_daemon("gcs_server"), (3,)),
    "kill-raylet": Kind(kill_daemon("raylet"), (3,)),
    "kill-node": Kind(kill_node, (), ("cluster-bench", "cluster-asha"), scene=on_two_nodes),
    "term-trial": Kind(term_trial, (), ("bench", "asha", "halving")),
    "term-driver": Kind(polite(signal.SIGTERM), POLITE, weight=2),
    "ctrl-c": Kind(polite(signal.SIGINT), POLITE, weight=2),
    "ctrl-c-twice": Kind(polite(signal.SIGINT, 2), POLITE),
    "stop-trial": Kind(stop_trial, (), ("bench", "asha")),
    "full-disk": Kind(fill_disk, (3,), scene=on_a_small_disk, needs=needs_root, weight=2),
    "read-only": Kind(close_folder, (2, 3), scene=without_privileges, needs=needs_setpriv),
    "damaged-checkpoint": Kind(killed, (-9,), ("bench", "asha"), damage=damaged_checkpoint),
    "damaged-table": Kind(killed_or_finished, (-9,), damage=damaged_table, weight=2),
    "two-commands": Kind(second_command, (2,), ("bench", "asha")),
    "write": Kind(kill_in_a_change, (0, -9), ("bench", "asha", "halving"), weight=3),
}
