"""Sources of the shipped studies: every figure and every setting names one, or is assumed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from resray.errors import InputError
from resray.study.entries import entries
from resray.study.expand import Options, expand
from resray.study.layers import flatten, normalise
from resray.study.load import load_study, study_files
from resray.study.recipe_spec import Recipe
from resray.study.spec import Study

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


def test_no_setting_is_right_in_neither_trial() -> None:
    text = (Path(__file__).parents[1] / "docs" / "sources.md").read_text()
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    settings = [row for row in rows if row[0].strip() != "setting" and row[3].strip()]
    assert len(settings) > 80
    assert all(len(row) == 5 for row in rows)
    assert [row for row in settings if "✓" not in row[3] + row[4]] == []
    assert all(f"## {name}" in text for name in study_files())
