"""The record: every trial with its fate, and what was run on which data and machine."""

from collections.abc import Sequence
from typing import Any

from resray.analysis.answers import half_interval
from resray.analysis.groups import Row, distinct, reductions_of
from resray.analysis.results import Analysis, once
from resray.analysis.words import Valued, duration, fixed, listed, plural
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html, folded, join, tag
from resray.study.layers import flatten
from resray.study.recipe_spec import Recipe
from resray.study.recipes import written


def trials_section(results: Analysis) -> Html:
    """All trials but a search's; then the failed ones with their error, and the ones that did not
    finish. Nothing if there are only a search's."""
    if results.search and not results.rows:
        return Html()
    if not results.rows:
        return tag("p", "No trial has been recorded.", class_="missing")
    failed = results.with_status("failed")
    early = results.with_status("stopped", "interrupted", "running", "pending")
    return join(
        [
            trials_table(results),
            tag("h3", "Failed trials", id="failed"),
            failed_table(results, failed),
            tag("h3", "Stopped and unfinished trials", id="unfinished"),
            early_table(results, early),
            events_table(results),
        ]
    )


def trials_table(results: Analysis) -> Html:
    caption = "All trials; best epoch on test selects on test and is the published protocol"
    halves = [half for row in results.rows if (half := half_interval([row], {}))]
    if halves:
        ends = dict.fromkeys([fixed(min(halves)), fixed(max(halves))])
        caption += f"; ± by images of a test accuracy: {' to '.join(ends)}"
    rows = (trial_cells(results, row) for row in results.rows)
    return table(caption, rows, id="trials")


def trial_cells(results: Analysis, row: Row) -> list[Cell]:
    status = tag("span", row["status"], class_=f"status {row['status']}")
    rate, used = row["images_per_second"], row["utilisation"]
    shared = "" if row["exclusive"] is True or rate is None else " (shared)"
    speed = Valued(fixed(rate, 0 if rate and rate >= 100 else 1) + shared, rate)
    return [
        text_cell("Trial", results.labels[row["trial_id"]]),
        text_cell("Variant", row["variant"], facet=True),
        number_cell("Seed", row["seed"]),
        text_cell("Status", join([status, f" ({row['reason']})" if row["reason"] else ""]),
                  facet=True),
        number_cell("Epochs", epochs_of(row)),
        number_cell("Validation, %", fixed(row["validation_accuracy"])),
        number_cell("Test, %", fixed(row["test_accuracy"])),
        number_cell("Test, best epoch, %", fixed(row["test_accuracy_best"])),
        number_cell("Test, last epoch, %", fixed(row["test_accuracy_last"])),
        number_cell("Parameters", whole(row["parameters"])),
        number_cell("Multiply-adds", whole(row["multiply_adds"])),
        number_cell("Training time", duration(row["seconds_training"])),
        number_cell("Images/s", speed),
        number_cell("Utilisation, %", used and fixed(100 * used, 1), optional=True),
        number_cell("Attempts", row["attempts"]),
        text_cell("Device", row["device"], facet=True),
        text_cell("Reduced", "; ".join(map(str, reductions_of(row))) or None, optional=True),
    ]  # fmt: skip


def whole(number: int | None) -> Valued | None:
    return Valued(f"{number:,}", number) if number else None


def epochs_of(row: Row) -> str:
    """Return ``3 of 20``: the epochs of a trial that were trained, and planned."""
    return f"{row['epochs_done'] or 0} of {'?' if row['epochs'] is None else row['epochs']}"


def failed_table(results: Analysis, failed: Sequence[Row]) -> Html:
    rows = (failed_cells(results, row) for row in failed)
    made = table("Trials that failed; they enter no mean", rows, id="failed")
    return made or tag("p", "None.", class_="missing")


def failed_cells(results: Analysis, row: Row) -> list[Cell]:
    return [
        text_cell("Trial", results.labels[row["trial_id"]]),
        number_cell("Seed", row["seed"]),
        text_cell("Error", row["error_class"] or "no error recorded", facet=True),
        text_cell("Message", tag("pre", error_text(row), tabindex="0")),
        number_cell("Epochs", epochs_of(row)),
        number_cell("Attempts", row["attempts"]),
        text_cell("Reason", row["reason"] or "unknown", facet=True),
    ]


def failed_item(label: str, row: Row) -> Html:
    """Return a failed trial with its error, for a list."""
    return tag(
        "li",
        tag("p", tag("strong", label), f", seed {row['seed']}: ",
            tag("code", row["error_class"] or "no error recorded"),
            f" after {epochs_of(row)} epochs, "
            f"{plural(row['attempts'] or 0, 'attempt')}, reason: {row['reason'] or 'unknown'}"),
        tag("pre", error_text(row), tabindex="0"),
    )  # fmt: skip


def error_text(row: Row) -> str:
    """Return what a failed trial's exception said, and where its traceback lies."""
    said = row["error_message"] or "no message"
    return f"{said}\n{row['traceback']}" if row["traceback"] else str(said)


def early_table(results: Analysis, rows: Sequence[Row]) -> Html:
    cells = (
        [
            text_cell("Trial", results.labels[row["trial_id"]]),
            number_cell("Seed", row["seed"]),
            text_cell("Status", tag("span", row["status"], class_=f"status {row['status']}")),
            text_cell("Reason", row["reason"]),
            number_cell("Epochs", epochs_of(row)),
            number_cell("Validation so far, %", fixed(row["validation_accuracy"])),
        ]
        for row in rows
    )
    caption = "Trials that did not complete; they enter no mean of completed ones"
    return table(caption, cells, id="unfinished") or tag("p", "None.", class_="missing")


def events_table(results: Analysis) -> Html:
    """When trials died, were interrupted or resumed; nothing if all ran through."""
    kinds = ("died", "preempted", "resumed", "interrupted")
    events = [event for event in results.event_rows if event["event"] in kinds]
    cells = (
        [
            text_cell("Trial", results.labels[event["trial_id"]]),
            number_cell("Seed", event["seed"]),
            text_cell(
                "Time (UTC)", f"{event['time']:%Y-%m-%d %H:%M:%S}" if event["time"] else None
            ),
            text_cell("Event", event["event"]),
            number_cell("Epoch reached", event["epoch"]),
            number_cell("Attempt", event["attempt"]),
            text_cell("Detail", event["detail"]),
        ]
        for event in sorted(events, key=lambda event: str(event["time"]))
    )
    return table("Interruptions and resumptions", cells, id="events")


# --- what was run -------------------------------------------------------------------------------

ENVIRONMENT = {
    "dataset": "Dataset",
    "data_source": "Stored as",
    "dataset_checksum": "Dataset checksum (SHA-256)",
    "train_images": "Training images",
    "validation_images": "Validation images",
    "test_images": "Test images",
    "image_size": "Image size, pixels",
    "host": "Host",
    "device": "Device",
    "world_size": "Ranks per trial",
    "batch_per_rank": "Batch per rank",
    "precision": "Precision",
    "channels_last": "Channels last",
    "python_version": "Python",
    "torch_version": "PyTorch",
    "ray_version": "Ray",
    "resray_version": "resray",
    "git_commit": "Git commit",
    "git_dirty": "Uncommitted changes",
}


def run_section(results: Analysis) -> Html:
    """What was run and on what: data and machine, the common recipe, the differences."""
    if not results.all_rows:
        return tag("p", "No trial has been recorded.", class_="missing")
    recipes = (assumed_table, recipe_table, differences_table) if results.groups else ()
    return folded(
        "Data, machine, versions, recipes",
        *(part(results) for part in (environment_table, *recipes)),
    )


def environment_table(results: Analysis) -> Html:
    rows: list[tuple[str, object]] = [
        (title, listed(shown(column, value) for value in distinct(results.all_rows, column)))
        for column, title in ENVIRONMENT.items()
    ]
    ended = distinct(results.all_rows, "ended")
    totals = {
        "First start": min(distinct(results.all_rows, "started"), default=None),
        "Last end": max(ended, default=None),
    }
    rows += [(name, f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else None)
             for name, time in totals.items()]  # fmt: skip
    for column in ("training", "evaluating", "starting"):
        seconds = [row[f"seconds_{column}"] for row in results.all_rows]
        total = sum(value for value in seconds if value is not None)
        rows.append((f"Time {column}, all trials", duration(total)))
    cells = ([text_cell("What", name), text_cell("Value", value)] for name, value in rows)
    return table("Data, machine and versions", cells, id="environment")


def shown(column: str, value: object) -> str:
    if column in ("dataset_checksum", "git_commit"):
        return str(value)[:12]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


@once
def split_settings(results: Analysis) -> tuple[dict[str, Any], list[str]]:
    """Return the settings in use that all groups share, and the keys in which some differ."""
    used = [group.used for group in results.groups]
    keys = list(dict.fromkeys(key for settings in used for key in settings))
    differing = [key for key in keys if len({repr(settings.get(key)) for settings in used}) > 1]
    common = {key: used[0].get(key) for key in keys if key not in differing}
    return common, differing


def recipe_table(results: Analysis) -> Html:
    common, _ = split_settings(results)
    rows = ([text_cell("Setting", name), text_cell("Value", setting(value))]
            for name, value in common.items() if is_on(value))  # fmt: skip
    caption = "Recipe that all configurations share (settings that are off are left out)"
    content = table(caption, rows, id="recipe")
    return tag("details", tag("summary", "The recipe in common"), content, open="")


def differences_table(results: Analysis) -> Html:
    _, differing = split_settings(results)
    if not differing:
        return tag("p", "All trials share one configuration.", class_="missing")
    rows = (
        [text_cell("Configuration", group.label),
         *(text_cell(name, setting(group.used.get(name))) for name in differing)]
        for group in results.groups
    )  # fmt: skip
    caption = "Recipe differences: the settings that are not the same everywhere"
    return table(caption, rows, id="differences")


# --- what the study's sources leave unstated, with the values in force ----------------------------

NOT_IN_USE = "not in use in these trials"
OF_DATASET = {"data.mean": "the dataset's own", "data.std": "the dataset's own"}
"""What null means where it does not switch anything off."""
DEFAULTS = flatten(
    Recipe.model_validate({"model": "resnet18", "data": "cifar10", "epochs": 1}).model_dump(
        mode="json"
    )
)


def assumed_table(results: Analysis) -> Html:
    """What the study's sources leave unstated, with our choice and its reason; nothing if none."""
    if results.study is None or not results.study.assumed:
        return Html()
    rows = (
        [text_cell("Setting", key), text_cell("Value", assumed_value(results, key)),
         text_cell("Assumed, because", why)]
        for key, why in results.study.assumed.items()
    )  # fmt: skip
    return table("Assumed: what the study's sources leave unstated", rows, id="assumed")


def assumed_value(results: Analysis, key: str) -> object:
    """Return the value in force of a setting, or the values of a group of settings."""
    common, differing = split_settings(results)
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


def values_in_use(results: Analysis, key: str) -> str:
    """Return ``0.5 (a), 0.1 (b, c)`` for a setting that is not the same everywhere."""
    labels: dict[str, list[str]] = {}
    for group in results.groups:
        settings = group.used
        if key in settings:
            value = setting(settings[key]) or OF_DATASET.get(key, "off")
            labels.setdefault(value, []).append(group.label)
    return listed(f"{value} ({listed(those)})" for value, those in labels.items())


def tells(name: str, value: object) -> bool:
    """Return whether a setting of a group is worth telling: not one that is off, as by default, nor
    one of the many of a schedule that stay at their default."""
    if name.startswith("schedule.") and name != "schedule.name":
        return is_on(value) and value != DEFAULTS.get(name)
    return is_on(value) and bool(value or value != DEFAULTS.get(name, value))


def setting(value: object) -> str | None:
    """Return a recipe's value as it would stand in the study file, None if it is off."""
    return written(value) if is_on(value) else None


def is_on(value: object) -> bool:
    return value is not None and value != []
