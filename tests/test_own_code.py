"""Networks of one's own: trusted or refused, and trained anew when their source files change."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image

from resray import load_model
from resray.errors import InputError
from resray.export import load_exported
from resray.models.own_code import code_hash, source_files
from resray.results.store import ResultStore
from resray.run.apart import kept_apart
from resray.run.plan import Planner
from resray.run.recorder import Recorder, planned_row
from resray.run.recovery import forget
from resray.run.request import Request
from resray.run.resources import Machine
from resray.search.jobs import PlannedJob
from resray.study.expand import Options
from resray.study.recipes import trial_id
from resray.training.context import LocalContext
from resray.training.trial import run_trial
from tests.command_line import Resray, assert_refused

NET = """
import torch
from own_parts.head import head

def tiny(num_classes):
    return torch.nn.Sequential(torch.nn.Flatten(), head(num_classes))
"""
HEAD = """
import numpy
from . import sizes
from torch import nn

def head(num_classes):
    from own_parts.late import bias
    return nn.Linear(sizes.INPUTS, num_classes, bias=bias)
"""
STUDY = """
name: own
title: T
question: Q?
recipe:
  model: own_net:tiny
  data: {name: embedded, classes: 3, images: 80, image_size: 8, validation_images: 16}
  epochs: 2
  batch_size: 16
trials: [{name: a}]
"""

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """A function that writes a source file, which Python then reads anew."""
    folder = tmp_path / "code"

    def write(name: str, text: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        forget_modules()

    def forget_modules() -> None:
        for module in [key for key in sys.modules if key.startswith("own_")]:
            del sys.modules[module]

    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write("own_net.py", NET)
    write("own_parts/__init__.py", "")
    write("own_parts/head.py", HEAD)
    write("own_parts/sizes.py", "INPUTS = 192\n")
    write("own_parts/late.py", "bias = True\n")
    write("own_parts/unused.py", "")
    yield write
    forget_modules()


def planned(
    folder: Path, *, force: bool = False, overrides: tuple[str, ...] = ()
) -> tuple[Planner, PlannedJob]:
    """The study's only trial, as a new command plans it."""
    (folder / "own.yaml").write_text(STUDY)
    options = Options(trusted=True, overrides=overrides)
    planner = Planner(Request(str(folder / "own.yaml"), options, out=folder, force=force))
    return planner, planner.jobs(planner.allocation(Machine(cpus=1, gpus=0)))[0]


def trained(folder: Path) -> Path:
    """Train it as it is planned now, without Ray; the folder of its checkpoints."""
    planner, work = planned(folder)
    recorder = Recorder(planner.store)
    recorder.plan(planned_row(work.trial, work.job, {"ray_version": "2.60.0"}))
    context = LocalContext()
    run_trial(work.job, context)
    for message in context.messages:
        recorder.message(work.job.trial_id, message)
    planner.store.flush()
    (planner.results / "study.yaml").write_text(STUDY)
    return Path(work.job.checkpoint_folder)


def test_what_a_network_imports_belongs_to_it(write: Write) -> None:
    modules = ["own_net", "own_parts", "own_parts.head", "own_parts.late", "own_parts.sizes"]
    assert sorted(source_files("own_net")) == modules
    found = code_hash("own_net:tiny")
    assert len(found or "") == 16
    for name in ("own_net.py", "own_parts/late.py", "own_parts/sizes.py"):
        write(name, f"{(Path(sys.path[0]) / name).read_text()}\nMORE = 1\n")
        assert code_hash("own_net:tiny") != found
        found = code_hash("own_net:tiny")
    write("own_parts/unused.py", "MORE = 1\n")
    assert code_hash("own_net:tiny") == found


OPTIONAL = """
try:
    from {package}.sub import what
except Exception:
    what = None
"""
FAR = """
try:
    from .....far import away
except ImportError:
    bias = True
"""


def test_packages_that_a_network_can_do_without_are_not_needed(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed ones are not even imported, and an own one may fail to be."""
    for folder, package in (("site-packages", "own_installed"), ("code", "own_broken")):
        broken = tmp_path / folder / package
        broken.mkdir(parents=True)
        (broken / "sub.py").write_text("what = 1\n")
        remark = f"open({str(tmp_path / package)!r}, 'w').close()"
        (broken / "__init__.py").write_text(f"{remark}\nraise OSError('no device')\n")
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    write("own_parts/late.py", FAR)
    write("own_net.py", NET + OPTIONAL.format(package="own_installed"))
    before = ["own_net", "own_parts", "own_parts.head", "own_parts.late", "own_parts.sizes"]
    assert sorted(source_files("own_net")) == before
    assert not (tmp_path / "own_installed").exists()
    write("own_net.py", NET + OPTIONAL.format(package="own_broken"))
    assert sorted(source_files("own_net")) == ["own_broken", *before]


@pytest.mark.parametrize("name", ["resnet18", "timm:resnet18", "torchvision:resnet18",
                                  "torch.hub:load", "not.there:function"])  # fmt: skip
def test_installed_code_has_a_version_in_its_place(name: str) -> None:
    assert code_hash(name) is None


def test_code_that_changes_is_trained_anew_and_kept_apart(
    resray: Resray, write: Write, tmp_path: Path
) -> None:
    trained(tmp_path)
    command = ("bench", "./own.yaml", "--trust", "--workers", "1")
    again = resray(*command, "--dry-run")
    assert again.code == 0
    assert "kept apart" not in again.out
    write("own_parts/late.py", "bias = False\n")
    changed = resray(*command)
    assert changed.code == 0
    said = "1 trial completed with other source files of own_net:tiny: trained anew, and kept apart"
    assert said in changed.out
    assert "had ended before" not in changed.out
    trials = pd.read_parquet(tmp_path / "results/own/trials").sort_values("started")
    assert list(trials["parameters"]) == [579, 576], "without a bias there are three fewer"
    assert trials["implementation"].nunique() == 2
    assert trials["trial_id"].nunique() == 2
    # The command's own page shows what it trained, this one all that is there.
    assert resray("report", "results/own").code == 0
    text = (tmp_path / "reports/own.html").read_text()
    for code in trials["implementation"]:
        assert f"implementation={code}" in text, "one configuration each"


def test_older_results_count_until_forced_ones_take_their_place(
    write: Write, tmp_path: Path
) -> None:
    """What was completed without a hash counts; what --force trains has one, under its old id."""

    def complete(store: ResultStore, work: PlannedJob, **columns: Any) -> None:
        row = planned_row(work.trial, work.job, {})
        end = {"status": "completed", "epochs_done": 2, "test_accuracy": 50.0}
        store.put_trial({**row, **end, "attempts": 1, **columns})
        store.flush()

    planner, work = planned(tmp_path)
    checksum = work.job.dataset_checksum
    old = trial_id(work.trial.recipe, 0, dataset_checksum=checksum, world_size=1)
    complete(planner.store, work, trial_id=old, implementation=None)
    assert planned(tmp_path)[1].job.trial_id == old
    planner, work = planned(tmp_path, force=True)
    forget(planner.store, [work.job.trial_id])
    complete(planner.store, work)
    planner, work = planned(tmp_path)
    assert not planner.is_todo(work.trial, work.job.trial_id), "the same code"
    assert work.job.trial_id == old
    write("own_parts/late.py", "bias = False\n")
    planner, work = planned(tmp_path)
    assert planner.is_todo(work.trial, work.job.trial_id)
    assert work.job.trial_id != old
    (said,) = kept_apart(planner.store, [work])
    assert said.startswith("1 trial completed with other source files of own_net:tiny: trained")


def test_a_warm_up_is_the_reason_why_older_code_does_not_count(
    write: Write, tmp_path: Path
) -> None:
    planner, work = planned(tmp_path, overrides=("schedule.warmup_epochs=1",))
    row = planned_row(work.trial, work.job, {})
    older = {"trial_id": "0" * 16, "implementation": None, "status": "completed"}
    planner.store.put_trial({**row, **older, "test_accuracy": 50.0})
    (said,) = kept_apart(planner.store, [work])
    assert said.startswith("1 trial completed by an older resray, which computed a warm-up from 0")


SAME_SHAPES = "bias = True  # or so\n"
CHANGED = r"trained with other source files of own_net:tiny: one has changed"


def test_weights_are_not_used_with_other_code(resray: Resray, write: Write, tmp_path: Path) -> None:
    """Whose shapes fit, so that only the hash of the source files tells."""
    checkpoints = trained(tmp_path)
    results, folder = checkpoints.parent.parent, tmp_path / "shared"
    png = tmp_path / "images" / "a.png"
    png.parent.mkdir()
    Image.new("RGB", (8, 8)).save(png)
    commands = (
        ("evaluate", str(results), "--kind", "test", "--force"),
        ("predict", str(checkpoints), str(png.parent), "--output", "a.csv"),
        ("export", "model", str(results), "--output", str(folder)),
    )
    for command in commands:
        assert resray(*command, "--trust").code == 0, command
    assert load_exported(folder, trust=True)
    write("own_parts/late.py", SAME_SHAPES)
    for command in commands:
        assert_refused(resray(*command, "--trust"), 2, CHANGED)
    for path in (checkpoints, folder):
        with pytest.raises(InputError, match=CHANGED):
            load_model(path, trust=True)
    write("own_parts/late.py", "bias = True\n")
    for path in (checkpoints, folder):
        assert load_model(path, trust=True)


def test_checkpoints_that_do_not_say_their_code_are_compared_by_their_row(
    resray: Resray, write: Write, tmp_path: Path
) -> None:
    best = trained(tmp_path) / "best.pt"
    content = torch.load(best, weights_only=True)
    assert content.pop("own_code") == code_hash("own_net:tiny")
    torch.save(content, best)
    write("own_parts/late.py", SAME_SHAPES)
    assert load_model(best, trust=True), "an older one: nobody knows"
    evaluate = ("evaluate", str(best.parent.parent.parent), "--kind", "test", "--trust")
    assert_refused(resray(*evaluate), 2, CHANGED)


def test_trials_of_todays_code_are_evaluated_beside_earlier_ones(
    resray: Resray, write: Write, tmp_path: Path
) -> None:
    first = trained(tmp_path)
    write("own_parts/late.py", SAME_SHAPES)
    second = trained(tmp_path)
    answer = resray("evaluate", "results/own", "--kind", "test", "--trust")
    assert answer.code == 0, answer
    assert re.search(f"{first.name}/best.pt: {CHANGED}", answer.out)
    evaluated = pd.read_parquet(tmp_path / "results/own/evaluations")
    assert set(evaluated["trial_id"]) == {second.name}


@pytest.mark.slow
def test_a_change_while_the_command_runs_is_not_mixed_in(
    resray: Resray, write: Write, tmp_path: Path
) -> None:
    """The second trial starts after its source was changed by the first one's epoch."""
    write(
        "own_net.py",
        f"""{NET}
from pathlib import Path

class Changing(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.inner = tiny(num_classes)

    def forward(self, images):
        if torch.is_grad_enabled():
            Path({str(tmp_path / "code/own_parts/late.py")!r}).write_text("bias = 0")
        return self.inner(images.flatten(1).view(-1, 3, 8, 8))

def changing(num_classes):
    return Changing(num_classes)
""",
    )
    study = STUDY.replace("own_net:tiny", "own_net:changing")
    (tmp_path / "own.yaml").write_text(study.replace("[{name: a}]", "[{name: a}, {name: b, recipe: "
                                                     "{label_smoothing: 0.1}}]"))  # fmt: skip
    answer = resray("bench", "./own.yaml", "--trust", "--workers", "1")
    assert answer.code == 1
    assert "own_net:changing: its source files on" in answer.out
    assert "are not those that the command was started with" in answer.out


@pytest.mark.parametrize(
    "command",
    [
        ("show", "./own.yaml"),
        ("bench", "./own.yaml", "--dry-run"),
        ("bench", "depth-family", "--quick", "--dry-run", "--set", "model={name: own_net:tiny}"),
        ("tune", "./own.yaml", "--dry-run"),
        ("model", "own_net:tiny"),
        ("model", "torch.hub:load"),
    ],
)
def test_a_function_runs_only_where_it_is_trusted(
    resray: Resray, write: Write, tmp_path: Path, command: tuple[str, ...]
) -> None:
    ran = tmp_path / "ran"
    write("own_net.py", f"open({str(ran)!r}, 'w').close()\n{NET}")
    axes = "{axes: {optimizer.lr: {grid: [0.1, 0.01]}}}"
    search = f"search: {{grace: 1, spaces: {{rates: {axes}}}}}"
    (tmp_path / "own.yaml").write_text(f"{STUDY}{search}\n")
    assert_refused(resray(*command), 2, r"(own_net:tiny|torch.hub:load).* type --trust")
    assert not ran.exists()


def test_stand_ins_and_axes_name_functions_too(
    resray: Resray, write: Write, tmp_path: Path
) -> None:
    study = STUDY.replace("own_net:tiny", "resnet10")
    quick = "quick: {stand_ins: {resnet10: own_net:tiny}}"
    (tmp_path / "quick.yaml").write_text(f"{study}{quick}\n")
    answer = resray("bench", "./quick.yaml", "--quick", "--dry-run")
    assert_refused(answer, 2, r"own_net:tiny.* type --trust")
    axes = "{axes: {model.name: {grid: [resnet10, own_net:tiny]}}}"
    search = f"search: {{grace: 1, spaces: {{nets: {axes}}}}}"
    (tmp_path / "axes.yaml").write_text(f"{study}{search}\n")
    for method in (("--method", "grid"), ("--method", "tpe", "--samples", "9")):
        answer = resray("tune", "./axes.yaml", "--dry-run", *method)
        assert_refused(answer, 2, r"own_net:tiny.* type --trust")
