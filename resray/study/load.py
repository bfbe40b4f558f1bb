"""Finding a study file and reading it, with every mistake reported by its line."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import resray
from resray.errors import InputError, unknown
from resray.files import user_path
from resray.study.entries import entries
from resray.study.layers import Layer, layer_at_fault, merge, recipe_layers, section
from resray.study.mistakes import Mistake, dotted, mistakes_in, unknown_key
from resray.study.phases import check_ranges
from resray.study.places import mistakes_of_places
from resray.study.recipe_spec import Data, Recipe
from resray.study.search_mistakes import recipe_mistakes_of_search
from resray.study.source import Key, Source, parse, read_text
from resray.study.spec import Study
from resray.study.strict import Misplaced
from resray.study.whole import mistakes_of_the_whole


def study_files() -> dict[str, Path]:
    """Return the shipped studies' files by name, from the wheel or from the checkout."""
    package = Path(resray.__file__).parent
    installed = package / "benchmarks"
    folder = installed if installed.is_dir() else package.parent / "benchmarks"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_study(name_or_path: str, *, in_place: bool = True) -> Study:
    """Read a shipped study by name, or a user's own file by path.

    A path ends in .yaml or .yml or holds a separator. The complete recipe of every trial is
    validated under every variant, and images and modules of one's own that it names are looked for;
    not so where ``in_place`` says that the file is a copy. Raises `InputError` with one line for
    each mistake.
    """
    path = _find(name_or_path)
    inside = path.is_absolute() and path.is_relative_to(Path.cwd())
    place = path.relative_to(Path.cwd()) if inside else path
    source = parse(read_text(path), str(place))
    folder = path.absolute().parent
    return _validate(source, folder if in_place else None).found_in(folder)


def study_text(name_or_path: str) -> str:
    """Return a study file's text as it stands, to be kept beside the results.

    Raises `InputError` as `load_study` does for a name or path that leads nowhere.
    """
    return read_text(_find(name_or_path))


def _find(name_or_path: str) -> Path:
    is_path = Path(name_or_path).suffix in (".yaml", ".yml") or "/" in name_or_path
    if is_path or "\\" in name_or_path:
        return user_path(name_or_path, "study")
    files = study_files()
    if name_or_path not in files:
        raise InputError(unknown("study", name_or_path, files))
    return files[name_or_path]


def _validate(source: Source, folder: Path | None) -> Study:
    content = source.content
    if not isinstance(content, dict):
        raise InputError(f"{source.place}:1: a study is a mapping of keys to values")
    try:
        entries(content)
    except Misplaced as error:
        raise InputError(_report(source, [_as_mistake(error)])) from error
    # What does not fit together is looked for also where single values are wrong.
    mistakes = [*mistakes_in(Study, content), *map(_as_mistake, mistakes_of_the_whole(content))]
    mistakes += _recipe_mistakes(content) + _quick_mistakes(content) + _assumed_mistakes(content)
    mistakes += recipe_mistakes_of_search(content)
    mistakes += map(_as_mistake, mistakes_of_places(content, folder) if folder else ())
    # Whether a change does anything shows in complete recipes only.
    mistakes = mistakes or _idle_changes(content)
    if mistakes:
        raise InputError(_report(source, mistakes))
    return Study.model_validate(content)


def _report(source: Source, mistakes: list[Mistake]) -> str:
    lines: dict[str, int] = {}
    for mistake in mistakes:
        line, _ = source.find(mistake.path)
        shown = f"{dotted(source.find(mistake.shown)[1])}: " if mistake.shown else ""
        # The same mistake of the base recipe comes up in each of its trials, and what only the
        # whole shows is looked for twice.
        lines[f"{source.place}:{line}: {shown}{mistake.message}"] = line
    return "\n".join(sorted(lines, key=lambda text: lines[text]))


def _recipe_mistakes(document: dict[Any, Any]) -> list[Mistake]:
    """Validate the complete recipe of every trial, alone and under every variant."""
    base = document.get("recipe")
    count = len(entries(document)) if isinstance(base, dict) else 0
    found: list[Mistake] = []
    for variant in ("", *section(document, "variants")):
        for index in range(count):
            found += _check(recipe_layers(document, index, variant), index)
    return _gather_missing(found, count)


def _check(layers: list[Layer], index: int) -> list[Mistake]:
    recipe = merge(layers)
    mistakes = mistakes_in(Recipe, recipe) + _phase_mistakes(recipe)
    return [_in_document(layers, index, mistake) for mistake in mistakes]


def _phase_mistakes(recipe: dict[str, Any]) -> list[Mistake]:
    """Find gaps between phases also where other mistakes keep the whole from being checked."""
    epochs, found = recipe.get("epochs"), []
    for setting, table in section(recipe, "phases").items():
        if type(epochs) is not int or not isinstance(table, dict):
            continue
        try:
            check_ranges(setting, table, epochs)
        except Misplaced as error:
            found.append(_as_mistake(error))
    return found


def _as_mistake(error: Misplaced) -> Mistake:
    return Mistake(error.path, error.path, str(error))


def _in_document(layers: list[Layer], index: int, mistake: Mistake) -> Mistake:
    """Lead a recipe's mistake to the layer that made it; what no layer has, its trial lacks."""
    start = layer_at_fault(layers, mistake.path).path
    if start[0] == "grid":
        return replace(mistake, path=start, shown=start)
    if mistake.missing and len(mistake.path) == 1:
        start = ("trials", index, "recipe")
    return replace(mistake, path=start + mistake.path, shown=start + mistake.shown)


def _gather_missing(mistakes: list[Mistake], trials: int) -> list[Mistake]:
    """Report a key that every trial lacks once, at the base recipe."""
    lacking: dict[Key, set[Key]] = {}
    for mistake in mistakes:
        if _lacks_a_key(mistake):
            lacking.setdefault(mistake.path[3], set()).add(mistake.path[1])
    everywhere = [key for key, lacks in lacking.items() if len(lacks) == trials]
    kept = [each for each in mistakes if not _lacks_a_key(each) or each.path[3] not in everywhere]
    return kept + [Mistake(("recipe", key), ("recipe", key), "is missing") for key in everywhere]


def _lacks_a_key(mistake: Mistake) -> bool:
    """Whether it is a top-level key of a recipe: ``trials[0].recipe.model``."""
    return mistake.missing and mistake.path[0] == "trials" and len(mistake.path) == 4


def _quick_mistakes(document: dict[Any, Any]) -> list[Mistake]:
    """Check what ``--quick`` changes, on the first trial."""
    quick = Layer(section(document, "quick", "recipe"), ("quick", "recipe"))
    layers = [*recipe_layers(document, 0, ""), quick]
    found = [each for each in _check(layers, 0) if each.path[0] == "quick"]
    data = section(merge(layers), "data")
    replaced = {"embedded": {"name": "embedded"}, "real": data}
    for key, base in replaced.items():
        start: tuple[Key, ...] = ("quick", key)
        changes = section(document, *start)
        for mistake in mistakes_in(Data, {**base, **changes}):
            if not mistake.path or mistake.path[0] in changes:
                found.append(
                    replace(mistake, path=start + mistake.path, shown=start + mistake.shown)
                )
    return found


def _assumed_mistakes(document: dict[Any, Any]) -> list[Mistake]:
    """Find reasons for settings that neither a recipe nor a study has."""
    found = []
    for setting in map(str, section(document, "assumed")):
        keys = setting.split(".")
        kind = Study if keys[0] in Study.model_fields else Recipe
        if wrong := unknown_key(kind, keys, ["ablate"]):
            depth, message = wrong
            found.append(Mistake(("assumed", setting), ("assumed", *keys[:depth]), message))
    return found


def _idle_changes(document: dict[Any, Any]) -> list[Mistake]:
    """Find changes of an ablation that change neither the plain nor the full recipe."""
    changes = section(document, "ablate", "changes")
    plain = Layer(section(document, "recipe"))
    found = []
    for name, change in changes.items():
        others = [Layer(other) for key, other in changes.items() if key != name]
        if _does_nothing(change, [plain]) and _does_nothing(change, [plain, *others]):
            path = ("ablate", "changes", name)
            found.append(Mistake(path, path, "changes nothing in the recipe"))
    return found


def _does_nothing(change: dict[str, Any], layers: list[Layer]) -> bool:
    before, after = merge(layers), merge([*layers, Layer(change)])
    if mistakes_in(Recipe, before) or mistakes_in(Recipe, after):
        return False
    return Recipe.model_validate(before) == Recipe.model_validate(after)
