"""The source files that a network of one's own brings along: what they say is part of a trial."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from pathlib import Path

from resray.errors import InputError
from resray.models.table import runs_own_code

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages, whose versions stand in a trial's row."""


class OtherCodeError(InputError):
    """A network was trained with other source files than its name brings now."""


def require_code(name: str, trained_with: str | None, place: str) -> None:
    """Raise OtherCodeError if ``place`` was trained with another `code_hash`; None is unknown."""
    if trained_with is not None and code_hash(name) != trained_with:
        raise OtherCodeError(
            f"{place}: trained with other source files of {name}: one has changed, or is neither "
            "here nor in PYTHONPATH; put it back, or train anew"
        )


def code_hash(name: str) -> str | None:
    """Return 16 hex digits over the source files behind a model's name.

    They are the file of ``module`` in ``module:function`` and all that it imports, directly or not,
    from outside of installed packages. None where there are none. To find a module in a package
    imports the package, so whoever calls this trusts the name.
    """
    if not runs_own_code(name):
        return None
    files = source_files(name.partition(":")[0])
    if not files:
        return None
    digest = hashlib.sha256()
    for module in sorted(files):
        digest.update(f"{module}\0".encode() + hashlib.sha256(files[module].read_bytes()).digest())
    return digest.hexdigest()[:16]


def source_files(module: str) -> dict[str, Path]:
    """Return the own files of a module and of what it imports, by the modules' names."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and (file := own_file(name)) is not None:
            found[name] = file
            is_package = file.name == "__init__.py"
            waiting += imports(file, name if is_package else name.rpartition(".")[0])
    return found


def own_file(module: str) -> Path | None:
    """Return a module's source file; None for resray's, Python's and installed ones."""
    top = module.partition(".")[0]
    if top == "resray" or top in sys.stdlib_module_names:
        return None
    try:
        # To look into a package imports it, which an installed one need not bear.
        found = find_spec(top)
        if found and top != module and not is_installed(found):
            found = find_spec(module)
    # No module but a name in one, one that is only there on some machines, or a package's own.
    except Exception:
        return None
    if not found or not found.origin or is_installed(found):
        return None
    return Path(found.origin) if found.origin.endswith(".py") else None


def is_installed(found: ModuleSpec) -> bool:
    """Return whether a module's file, or all folders of a package without one, are installed."""
    places = [found.origin] if found.has_location else found.submodule_search_locations or []
    return not any(INSTALLED.isdisjoint(Path(str(place)).parts) for place in places)


def imports(file: Path, package: str) -> Iterator[str]:
    """Yield what a file's import statements may mean: modules, their packages, names in them."""
    try:
        statements = list(ast.walk(ast.parse(file.read_bytes())))
    except (SyntaxError, ValueError, RecursionError):
        return
    for statement in statements:
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            base = "." * statement.level + (statement.module or "")
            try:
                module = resolve_name(base, package)
            except ImportError:
                # It leads out of the package, as it does in a file that is in none.
                continue
            names = [f"{module}.{alias.name}" for alias in statement.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))
