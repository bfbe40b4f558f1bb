"""What resray leans on of Ray's private parts: these tests fail when Ray changes one of them."""

import ast
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import ray.train
import ray.tune
from ray.actor import ActorHandle
from ray.train.torch import TorchTrainer
from ray.tune.execution import class_cache
from ray.tune.experiment import Trial
from ray.util.placement_group import placement_group, remove_placement_group

from resray.run.cluster import leave, start
from resray.run.orphans import remove_orphaned_groups
from resray.run.ray_private import (
    DataParallelRun,
    PreparedRanks,
    actor_of,
    groups_of_actors,
    shut_down,
    trainable_of,
    withhold_secrets,
)
from resray.run.resources import Machine

RUN = Path(__file__).parent.parent / "resray" / "run"
PRIVATE_MODULES = ("ray._", "ray.core", "ray.tune.execution", "ray.tune.trainable", "ray.train.v2")
PRIVATE_NAMES = ("temporary_state",)
"""Without an underscore, but documented nowhere."""
PREPARED = "RESRAY_TEST_PREPARED"


def private_parts(path: Path) -> Iterator[str]:
    """Yield what a file that imports ray uses of other objects' private parts, or of its modules'.

    What is called on ``self`` is resray's own; ``os._exit`` is public.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            if (private and owner not in ("self", "os")) or node.attr in PRIVATE_NAMES:
                yield node.attr
        elif isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            names = [f"{module}.{each.name}" if module else each.name for each in node.names]
            yield from (name for name in names if name.startswith(PRIVATE_MODULES))


def test_no_other_file_touches_a_private_part_of_ray() -> None:
    parts = {path.name: list(private_parts(path)) for path in RUN.glob("*.py")
             if "ray" in imported(path)}  # fmt: skip
    assert "_global_node" in parts.pop("ray_private.py"), "or nothing is looked for"
    assert {name: parts for name, parts in parts.items() if parts} == {}


def imported(path: Path) -> set[str]:
    """Return the packages that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


# --- without a running Ray ----------------------------------------------------------------------


def passed_on(kind: type) -> dict[str, str]:
    """Return the environment variables that Ray Tune gives a trainable's processes."""
    actor: Any = class_cache._ActorClassCache().get(kind)
    variables: dict[str, str] = actor._default_options["runtime_env"]["env_vars"]
    return variables


def test_secrets_are_passed_on_by_ray_tune_and_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set(class_cache.ENV_VARS_TO_PROPAGATE) | {"AWS_SECRET_ACCESS_KEY"}
    monkeypatch.setattr(class_cache, "ENV_VARS_TO_PROPAGATE", names)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert passed_on(type("Before", (), {}))["AWS_SECRET_ACCESS_KEY"] == "secret"
    withhold_secrets()
    assert "AWS_SECRET_ACCESS_KEY" not in passed_on(type("After", (), {}))


def test_ray_itself_passes_secrets_on() -> None:
    """Otherwise nothing has to be withheld any more."""
    import importlib

    assert "AWS_SECRET_ACCESS_KEY" in importlib.reload(class_cache).ENV_VARS_TO_PROPAGATE


WARNS = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""Of Ray Data's own settings, once Ray Train is asked for anything."""


@WARNS
def test_only_the_cleaner_is_left_out() -> None:
    def callbacks(kind: type[TorchTrainer]) -> list[str]:
        trainer: Any = kind(print)
        return [type(each).__name__ for each in trainer._create_default_callbacks()]

    left = callbacks(DataParallelRun)
    assert [each for each in callbacks(TorchTrainer) if each not in left] == [
        "PlacementGroupCleanerCallback"
    ]


# --- with one -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder while Ray runs; this process imports nothing from it."""
    folder, before = tmp_path_factory.mktemp("working"), Path.cwd()
    os.chdir(folder)
    start(None, Machine(cpus=2, gpus=0))
    yield folder
    if ray.is_initialized():
        leave()
    os.chdir(before)


def prepare() -> None:
    is_main = threading.current_thread() is threading.main_thread()
    os.environ[PREPARED] = "in the main thread" if is_main else "elsewhere"


def by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of this file reach workers, who cannot import it."""
    function.__module__ = "__main__"
    return function


def test_workers_do_not_import_from_the_working_folder(folder: Path) -> None:
    @ray.remote
    def path() -> list[str]:
        import sys

        return [os.path.realpath(each) for each in sys.path]

    assert os.path.realpath(folder) not in ray.get(path.remote())


def test_groups_say_whether_their_actor_is_alive(folder: Path) -> None:
    class Owner:
        def create(self) -> None:
            self.group = placement_group([{"CPU": 1}])
            ray.get(self.group.ready())

    mine = placement_group([{"CPU": 1}])
    owner: Any = ray.remote(num_cpus=0)(Owner).remote()
    ray.get(owner.create.remote())
    (group,) = groups_of_actors()
    assert group.identity != mine.id
    assert not group.creator_is_dead
    assert remove_orphaned_groups() == 1
    ray.kill(owner)
    assert before_long(lambda: groups_of_actors()[0].creator_is_dead)
    assert remove_orphaned_groups() == 0
    assert before_long(lambda: groups_of_actors() == [])
    remove_placement_group(mine)


def before_long(condition: Callable[[], bool]) -> bool:
    """Return whether a condition holds within 20 seconds."""
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


class Actors(ray.tune.Callback):
    found: Any = None

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: Any, **info: Any
    ) -> None:
        self.found = self.found or actor_of(trial)

    def __getstate__(self) -> dict[str, Any]:
        """Ray Tune pickles its callbacks."""
        return {}


def test_a_trial_has_an_actor_that_is_prepared_in_its_main_thread(folder: Path) -> None:
    def function(config: dict[str, Any]) -> None:
        ray.tune.report({PREPARED: os.environ.get(PREPARED, "not at all")})

    trainable = trainable_of(function, by_value(prepare))
    assert trainable.__name__ == "ImplicitFunc"
    actors = Actors()
    run_config = ray.tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[actors])
    result = ray.tune.Tuner(trainable, run_config=run_config).fit()[0]
    assert result.metrics
    assert result.metrics[PREPARED] == "in the main thread"
    assert isinstance(actors.found, ActorHandle)


@WARNS
def test_ranks_are_prepared_in_their_main_threads(folder: Path) -> None:
    def function() -> None:
        (folder / "rank").write_text(os.environ.get(PREPARED, "not at all"))

    run = DataParallelRun(
        function,
        torch_config=PreparedRanks(backend="gloo", prepare=by_value(prepare)),
        scaling_config=ray.train.ScalingConfig(num_workers=1),
        run_config=ray.train.RunConfig(storage_path=str(folder)),
    )
    run.fit()
    assert (folder / "rank").read_text() == "in the main thread"


def test_something_can_be_done_before_ray_s_processes_end(folder: Path) -> None:
    """The last one: Ray is gone after it."""
    node: Any = ray._private.worker._global_node
    alive: list[Any] = []
    shut_down(before_processes_end=lambda: alive.extend(node.live_processes()))
    assert {"raylet", "gcs_server"} <= {name for name, _ in alive}
    assert not ray.is_initialized()
