"""The table of what a study's sources leave unstated, with the values in force."""

from resray.report.aggregate import Results
from resray.report.tables import table, text_column
from resray.report.text import Html, listed
from resray.study.layers import flatten
from resray.study.recipe_spec import Recipe
from resray.study.recipes import written

NOT_IN_USE = "not in use in these trials"
OF_DATASET = {"data.mean": "the dataset's own", "data.std": "the dataset's own"}
"""What null means where it does not switch anything off."""
DEFAULTS = flatten(
    Recipe.model_validate({"model": "resnet18", "data": "cifar10", "epochs": 1}).model_dump(
        mode="json"
    )
)


def assumed_table(results: Results) -> Html:
    """What the study's sources leave unstated, with our choice and its reason; nothing if none."""
    if results.study is None or not results.study.assumed:
        return Html()
    columns = [text_column("Setting"), text_column("Value"), text_column("Assumed, because")]
    rows = [[key, assumed_value(results, key), why] for key, why in results.study.assumed.items()]
    caption = "Assumed: what the study's sources leave unstated"
    return table(caption, columns, rows, id="assumed")


def assumed_value(results: Results, key: str) -> object:
    """Return the value in force of a setting, or the values of a group of settings."""
    common, differing = results.split_settings
    if key in differing:
        return values_in_use(results, key)
    if any(name.startswith(f"{key}.") for name in differing):
        return "differs between configurations"
    study = results.study.model_dump() if results.study else {}
    settings = {**flatten(study), **common}
    if key in settings:
        return setting(settings[key]) or OF_DATASET.get(key, "off")
    parts = {name.removeprefix(f"{key}."): value for name, value in settings.items()
             if name.startswith(f"{key}.") and tells(name, value)}  # fmt: skip
    return ", ".join(f"{name}: {setting(value)}" for name, value in parts.items()) or NOT_IN_USE


def values_in_use(results: Results, key: str) -> str:
    """Return ``0.5 (a), 0.1 (b, c)`` for a setting that is not the same everywhere."""
    labels: dict[str, list[str]] = {}
    for group in results.groups:
        settings = group.used
        if key in settings:
            value = setting(settings[key]) or OF_DATASET.get(key, "off")
            labels.setdefault(value, []).append(group.label)
    return listed(f"{value} ({listed(those)})" for value, those in labels.items())


def tells(name: str, value: object) -> bool:
    """Return whether a setting of a group is worth telling: not one that is off, as by default."""
    return is_on(value) and bool(value or value != DEFAULTS.get(name, value))


def setting(value: object) -> str | None:
    """Return a recipe's value as it would stand in the study file, None if it is off."""
    return written(value) if is_on(value) else None


def is_on(value: object) -> bool:
    return value is not None and value != []
