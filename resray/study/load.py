"""Finding a study file and reading it, with every mistake reported by its line."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import resray
from resray.errors import InputError, unknown
from resray.files import user_path
from resray.study.data_spec import Data
from resray.study.entries import Entry, entries
from resray.study.layers import Layer, in_document, layer_at_fault, merge, recipe_layers
from resray.study.local_files import mistakes_of_local_files
from resray.study.mistakes import mistakes_in
from resray.study.phases import mistakes_of_ranges
from resray.study.recipe_spec import Recipe
from resray.study.recipes import only_as_run
from resray.study.search_mistakes import mistakes_of_search
from resray.study.spec import Study
from resray.study.strict import Mistake, Mistakes
from resray.study.unions import unknown_key
from resray.study.whole import mistakes_of_the_whole
from resray.study.yaml_file import Key, YamlFile, find_all, parse, read_text, section


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
    if not isinstance(source.content, dict):
        raise InputError(f"{place}:1: a study is a mapping of keys to values")
    folder = path.absolute().parent
    found = _mistakes(source.content)
    if in_place:
        found += mistakes_of_local_files(source.content, folder)
    if found:
        raise InputError(_report(source, found))
    return Study.model_validate(source.content).found_in(folder)


def shipped_study(name: str) -> Study:
    """Read a shipped study without going through its recipes, which takes twice as long and is done
    by the tests."""
    return Study.model_validate(parse(read_text(study_files()[name]), name).content)


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


def _mistakes(content: dict[Any, Any]) -> list[Mistake]:
    """Return everything that is wrong; what does not fit together also where values are wrong."""
    try:
        every = entries(content)
    except Mistakes as error:
        return error.found
    return [
        *mistakes_in(Study, content),
        *mistakes_of_the_whole(content),
        *(_of_recipes(content, every) if isinstance(content.get("recipe"), dict) else ()),
        *_of_quick(content, every),
        *_of_named_keys(content),
        *mistakes_of_search(content),
    ]


def _report(source: YamlFile, mistakes: list[Mistake]) -> str:
    lines: dict[tuple[Any, ...], str] = {}
    for mistake in mistakes:
        line, _ = source.find(mistake.path)
        shown = replace(mistake, shown=source.find(mistake.prefix)[1])
        # The same mistake of the base recipe, or of an anchor, comes up in each of its trials.
        key = (line, mistake.path[-1:], mistake.message)
        lines.setdefault(key, f"{source.place}:{line}: {shown.with_place}")
    return "\n".join(lines[key] for key in sorted(lines, key=lambda key: key[0]))


def _of_recipes(document: dict[Any, Any], every: list[Entry]) -> list[Mistake]:
    """Validate the complete recipe of every trial, alone and under every variant."""
    found: list[Mistake] = []
    lacking: dict[Key, set[int]] = {}
    for index, entry in enumerate(every):
        for variant in ("", *section(document, "variants")):
            layers = recipe_layers(document, index, variant)
            for mistake in _of_recipe(layers, as_run=entry.as_run):
                if mistake.missing and len(mistake.path) == 1:
                    lacking.setdefault(mistake.path[0], set()).add(index)
                else:
                    found.append(in_document(layer_at_fault(layers, mistake.path), mistake))
    for key, trials in lacking.items():
        # What every trial lacks is missing in the base recipe.
        owners = [("recipe",)] if len(trials) == len(every) else [every[i].paths[0] for i in trials]
        found += [Mistake((*owner, key), "is missing") for owner in owners]
    return found


def _of_recipe(layers: list[Layer], *, as_run: bool = False) -> list[Mistake]:
    recipe = merge(layers)
    found = mistakes_in(Recipe, recipe)
    if found and type(epochs := recipe.get("epochs")) is int:
        # Gaps between phases are told also where other mistakes keep the whole from being checked.
        for setting, table in section(recipe, "phases").items():
            found += mistakes_of_ranges(setting, table, epochs) if isinstance(table, dict) else ()
    return found if as_run else [*found, *only_as_run(recipe)]


def _of_quick(document: dict[Any, Any], every: list[Entry]) -> Iterator[Mistake]:
    """Check what ``--quick`` changes, on the first trial."""
    own = recipe_layers(document, 0 if every else None, "")
    layers = [*own, Layer(section(document, "quick", "recipe"), ("quick", "recipe"))]
    for mistake in _of_recipe(layers):
        layer = layer_at_fault(layers, mistake.path)
        if layer is layers[-1] and not mistake.missing:
            yield in_document(layer, mistake)
    for key, base in {
        "embedded": {"name": "embedded"},
        "real": section(merge(own), "data"),
    }.items():
        changes = section(document, "quick", key)
        for mistake in mistakes_in(Data, {**base, **changes}):
            if not mistake.path or mistake.path[0] in changes:
                yield mistake.within(("quick", key))


def _of_named_keys(document: dict[Any, Any]) -> Iterator[Mistake]:
    """Find keys in ``assumed`` and ``taken`` that neither a recipe nor a study has."""
    assumed = ((place, place[-1]) for place, _ in find_all(document, "assumed", "*"))
    for place, key in [*assumed, *find_all(document, "sources", "*", "taken", "*")]:
        keys = str(key).split(".")
        if wrong := unknown_key(Study if keys[0] in Study.model_fields else Recipe, keys):
            shown = (*place[:-1], *keys[: wrong[0]]) if place[0] == "assumed" else place
            yield Mistake(place, wrong[1], shown)
