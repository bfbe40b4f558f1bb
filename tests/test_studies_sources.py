"""Sources of the shipped studies: every figure and every setting names one, or is assumed."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from resray.cli.show.rates import rates
from resray.errors import InputError
from resray.study.entries import entries
from resray.study.expand import Options, expand
from resray.study.layers import flatten, normalise
from resray.study.load import load_study, study_files
from resray.study.phases import recipe_at
from resray.study.recipe_spec import Recipe
from resray.study.spec import Study
from tests.sourced_cells import CELLS, NO_KEY
from tests.studies import recipes

WITH_REPOSITORY = ("basicblock-depth", "resnet10-speed", "resnext", "wrn-cifar100")


def settings_of(recipe: Recipe) -> list[str]:
    """Return the dotted keys of what is not resray's default."""
    return list(flatten(recipe.model_dump(mode="json", exclude_defaults=True)))


def is_below(key: str, sourced: Iterable[str]) -> bool:
    return any(f"{key}.".startswith(f"{each}.") for each in sourced)


def keys_of_entry(study: Study, trial: str) -> list[str]:
    """Return the keys that a trial's entry sets, if it names the source of what it sets."""
    listed = [*study.trials, *study.as_run]
    own: list[dict[str, Any]] = [e.recipe for e in listed if e.name == trial and e.source]
    return [key for changes in own for key in flatten(normalise(changes))]


def unsourced(study: Study, variant: str) -> list[tuple[str, str]]:
    """Return the trials' settings that no source, no entry and no assumption accounts for."""
    general = [*study.assumed, *(key for each in study.sources.values() for key in each.taken)]
    return [
        (trial.name, key)
        for trial in expand(study, Options(variant=variant))
        for key in settings_of(trial.recipe)
        if not is_below(key, [*general, *keys_of_entry(study, trial.name)])
    ]


@pytest.mark.parametrize("name", study_files())
def test_every_setting_that_is_not_a_default_has_a_source_or_is_assumed(name: str) -> None:
    study = load_study(name)
    assert [found for each in study.variant_names for found in unsourced(study, each)] == []


def test_a_setting_without_a_source_is_found() -> None:
    study = load_study("resnext")
    bare = study.model_copy(update={"sources": {}, "assumed": {"epochs": "", "optimizer.lr": ""}})
    found = unsourced(bare, "standard")
    assert ("resnet50-1", "data.mean") in found
    assert not {key for _, key in found} & {"epochs", "optimizer.lr"}
    # An entry's source stands for what the entry sets, and for nothing else.
    left = {key for _, key in unsourced(bare, "as-run")}
    assert left & {"data.mean", "data.validation_images"} == {"data.mean"}


@pytest.mark.parametrize("name", study_files())
def test_every_figure_and_entry_names_a_source_of_the_study(name: str) -> None:
    study = load_study(name)
    named = {figure.source for figure in study.published}
    named |= {entry.source for entry in [*study.trials, *study.as_run] if entry.source}
    named |= {source for source, each in study.sources.items() if each.taken}
    assert named == set(study.sources), "a source that is used by nothing, or one that is missing"
    assert all(entry.source for entry in study.as_run)


@pytest.mark.parametrize("name", study_files())
def test_what_is_taken_is_a_setting_and_not_assumed(name: str) -> None:
    study = load_study(name)
    keys = {
        key
        for variant in study.variant_names
        for trial in expand(study, Options(variant=variant))
        for key in flatten(trial.recipe)
    }
    for source in study.sources.values():
        for taken in source.taken:
            assert any(is_below(key, [taken]) for key in keys), taken
            assert taken not in study.assumed


@pytest.mark.parametrize("name", WITH_REPOSITORY)
def test_code_is_named_with_its_version_and_the_lack_of_a_licence(name: str) -> None:
    study = load_study(name)
    assert {entry.as_run for entry in entries(study.document)} == {True, False}
    for entry in study.as_run:
        assert entry.source
        source = study.sources[entry.source]
        assert source.commit
        assert len(source.commit) == 40
        assert source.licence == "none (the repository has no licence file)"


def test_an_unknown_source_is_told_with_its_place(tmp_path: Path) -> None:
    text = study_files()["resnext"].read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("source: amirhosein-readme}", "source: amirhosein-redme}", 1))
    with pytest.raises(InputError) as raised:
        load_study(str(path))
    lines = str(raised.value).splitlines()
    assert "published[0].source: 'amirhosein-redme' is not known; did you mean" in lines[0]


def documented(study: str) -> list[list[str]]:
    """Return the rows of a study's table in docs/sources.md, named with their part of it."""
    text = (Path(__file__).parents[1] / "docs" / "sources.md").read_text()
    section = text.split(f"\n## {study}\n")[1].split("\n## ")[0]
    rows, part = [], ""
    for line in section.splitlines():
        if not line.startswith("| ") or line.startswith("| setting |"):
            continue
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if cells[0].startswith("**"):
            part = f"{cells[0].strip('*')}: "
        else:
            rows.append([part + cells[0], *cells[1:]])
    return rows


@pytest.mark.parametrize("name", WITH_REPOSITORY)
def test_no_setting_is_right_in_neither_trial(name: str) -> None:
    rows = documented(name)
    assert len(rows) > 10
    assert all(len(row) == 5 for row in rows)
    assert [row for row in rows if "✓" not in row[3] + row[4]] == []


def cells_of(study: str) -> list[list[str]]:
    """Return row, trials, key, and the values as stated and as run of each line of `CELLS`."""
    found: list[list[str]] = []
    for line in CELLS[study].strip().splitlines():
        cells = [" ".join(cell.split()) for cell in line.split("|")]
        found.append([cells[0] or found[-1][0], *cells[1:]])
    return found


@pytest.mark.parametrize("name", WITH_REPOSITORY)
def test_every_documented_row_is_held_against_the_recipes(name: str) -> None:
    held = {cells[0] for cells in cells_of(name)}
    assert held.isdisjoint(NO_KEY[name])
    assert {row[0] for row in documented(name)} == held | set(NO_KEY[name])


def setting(recipe: Recipe, key: str) -> Any:
    """Return a recipe's value at a key as `tests.sourced_cells` writes it."""
    if key == "rate":
        return rates(recipe.schedule, recipe.optimizer.lr, recipe.epochs)
    if key.startswith("@"):
        epoch, key = key[1:].split(" ")
        recipe = recipe_at(recipe, int(epoch))
    value = recipe.model_dump(mode="json")
    for part in key.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def value_of(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text if " to " in text else yaml.safe_load(text)


@pytest.mark.parametrize("as_run", [False, True])
@pytest.mark.parametrize("name", WITH_REPOSITORY)
def test_recipes_have_what_the_documented_rows_say(name: str, as_run: bool) -> None:
    found = recipes(name, variant="as-run" if as_run else None)
    for row, globs, key, *values in cells_of(name):
        stated_or_run = values[as_run]
        if stated_or_run == "-":
            continue
        matching = [
            trial
            for trial in found
            for glob in globs.split(", ")
            if fnmatchcase(trial.removesuffix("-as-run"), glob)
        ]
        assert matching, (row, globs)
        for trial in matching:
            assert setting(found[trial], key) == value_of(stated_or_run), (row, trial, key)
