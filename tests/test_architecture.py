"""The promises that DESIGN makes for the whole: who may import whom, what ships, what is told."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from resray.cli import app
from resray.study.entries import entries
from resray.study.expand import Options, expand
from resray.study.load import load_study, study_files

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "resray"
SHARED_MODULES = {"code", "cpus", "errors", "files", "hints", "limits", "memory"}
"""What lies beside the rooms, for several of them."""
IMPORTED_ROOMS = {
    "study": {"models", "data"},
    "models": {"study"},
    "data": {"study"},
    "results": {"study"},
    "search": {"study", "results", "training"},  # of training a type, nothing that runs
    "training": {"study", "models", "data", "results"},
    "evaluate": {"study", "models", "data", "results", "training"},
    "analysis": {"study", "models", "results", "search"},
    "figures": {"study", "models", "results", "search", "analysis"},
    "report": {"study", "models", "results", "search", "analysis", "figures"},
    "export": {"study", "models", "results", "training", "analysis", "figures", "report"},
    "run": {"study", "models", "data", "results", "search", "training", "evaluate", "report",
            "export"},
    "cli": {"study", "models", "results", "search", "evaluate", "analysis", "report", "export",
            "run"},
}  # fmt: skip
"""All rooms, and the others that each may import."""
IMPORT_ALL = """
import importlib, pkgutil, sys
for room in sys.argv[1].split():
    module = importlib.import_module(f"resray.{room}")
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), f"resray.{room}."):
        importlib.import_module(found.name)
print(*sorted({"torch", "ray"} & set(sys.modules)))
"""


def heavy_imports(*rooms: str) -> list[str]:
    """Return which of torch and ray are there after importing every module of the rooms."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, " ".join(rooms)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def imports(path: Path) -> Iterator[list[str]]:
    """Yield the names that a file imports, at any depth: ``["resray", "study", "spec"]``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".") for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{name.name}".split(".") for name in node.names)


def test_every_file_lies_in_a_room_or_is_one_that_several_share() -> None:
    there = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()} - {"__pycache__"}
    assert there == {"__init__", "__main__", "api", *SHARED_MODULES, *IMPORTED_ROOMS}


@pytest.mark.parametrize("room", IMPORTED_ROOMS)
def test_rooms_import_one_way(room: str) -> None:
    names = (name for path in (PACKAGE / room).rglob("*.py") for name in imports(path))
    imported = {name[1] for name in names if name[0] == "resray" and name[1:]}
    assert imported - {room, "__version__"} <= SHARED_MODULES | IMPORTED_ROOMS[room]


def test_rooms_of_tables_and_pages_import_neither_torch_nor_ray() -> None:
    rooms = ("study", "search", "results", "analysis", "report", "errors", "models.table")
    assert heavy_imports(*rooms) == []


def test_numbers_know_nothing_of_pictures_or_pages() -> None:
    known = {name[0] for path in (PACKAGE / "analysis").rglob("*.py") for name in imports(path)}
    assert not known & {"plotly", "html", "jinja2"}
    assert {"pandas", "scipy"} <= known


def test_only_the_room_that_runs_knows_of_ray() -> None:
    assert heavy_imports(*IMPORTED_ROOMS.keys() - {"run"}, "run.cost") == ["torch"]
    users = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")
             if any(name[0] == "ray" for name in imports(path))}  # fmt: skip
    assert users == {"run"}


def test_no_name_of_a_registry_or_machine_is_in_the_settings() -> None:
    for name in ("pyproject.toml", ".ci/run"):
        text = (ROOT / name).read_text()
        assert "index-url" not in text
        assert "://" not in text


@pytest.mark.parametrize("name", study_files())
def test_every_shipped_study_expands_and_is_in_the_wheel(name: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included[f"benchmarks/{name}.yaml"] == f"resray/benchmarks/{name}.yaml"
    study = load_study(name)
    assert study.name == name, "the file is named like the study"
    for variant in study.variant_names:
        names = [each.name for each in entries(study.document) if each.in_variant(variant)]
        assert len(expand(study, Options(variant=variant))) == len(names) * len(study.seeds)
        expand(study, Options(variant=variant, quick=True))


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert commands
    for name in commands:
        assert f"`resray {name}" in readme
