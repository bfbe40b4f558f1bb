"""The record: every trial with its fate, and what was run on which data and machine."""

from collections.abc import Sequence

from resray.report.aggregate import (
    Results,
    Row,
    distinct,
    reductions_of,
)
from resray.report.assumed import assumed_table, is_on, setting
from resray.report.tables import number_column, table, text_column
from resray.report.text import Html, Valued, duration, fixed, join, listed, plural, tag


def trials_section(results: Results) -> Html:
    """All trials but a search's; then the failed ones with their error, and the ones that did not
    finish. Nothing if there are only a search's."""
    if results.search and not results.trials:
        return Html()
    if not results.trials:
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


def trials_table(results: Results) -> Html:
    columns = [
        text_column("Trial"),
        text_column("Variant", facet=True),
        number_column("Seed"),
        text_column("Status", facet=True),
        number_column("Epochs"),
        number_column("Validation, %"),
        number_column("Test, %"),
        number_column("Test, best epoch, %"),
        number_column("Test, last epoch, %"),
        number_column("Parameters"),
        number_column("Multiply-adds"),
        number_column("Training time"),
        number_column("Images/s"),
        number_column("Attempts"),
        text_column("Device", facet=True),
        text_column("Reduced", optional=True),
    ]
    caption = "All trials; best epoch on test selects on test and is the published protocol"
    rows = [trial_cells(results, row) for row in results.trials]
    return table(caption, columns, rows, id="trials")


def trial_cells(results: Results, row: Row) -> list[object]:
    accuracies = ("validation_accuracy", "test_accuracy", "test_accuracy_best",
                  "test_accuracy_last")  # fmt: skip
    status = tag("span", row["status"], class_=f"status {row['status']}")
    rate = row["images_per_second"]
    shared = "" if row["exclusive"] is True or rate is None else " (shared)"
    return [
        results.labels[row["trial_id"]],
        row["variant"],
        row["seed"],
        join([status, f" ({row['reason']})" if row["reason"] else ""]),
        f"{row['epochs_done'] or 0} of {planned(row)}",
        *(fixed(row[column]) for column in accuracies),
        *(
            Valued(f"{row[column]:,}", row[column]) if row[column] else None
            for column in ("parameters", "multiply_adds")
        ),
        duration(row["seconds_training"]),
        Valued(fixed(rate, 0 if rate and rate >= 100 else 1) + shared, rate),
        row["attempts"],
        row["device"],
        "; ".join(reductions_of(row)) or None,
    ]


def planned(row: Row) -> object:
    return "?" if row["epochs"] is None else row["epochs"]


def failed_table(results: Results, failed: Sequence[Row]) -> Html:
    if not failed:
        return tag("p", "None.", class_="missing")
    columns = [
        text_column("Trial"),
        number_column("Seed"),
        text_column("Error", facet=True),
        text_column("Message"),
        number_column("Epochs"),
        number_column("Attempts"),
        text_column("Reason", facet=True),
    ]
    rows = [failed_cells(results, row) for row in failed]
    return table("Trials that failed; they enter no mean", columns, rows, id="failed")


def failed_cells(results: Results, row: Row) -> list[object]:
    return [
        results.labels[row["trial_id"]],
        row["seed"],
        row["error_class"] or "no error recorded",
        tag("pre", error_text(row), tabindex="0"),
        f"{row['epochs_done'] or 0} of {planned(row)}",
        row["attempts"],
        row["reason"] or "unknown",
    ]


def failed_item(label: str, row: Row) -> Html:
    """Return a failed trial with its error, for a list."""
    return tag(
        "li",
        tag("p", tag("strong", label), f", seed {row['seed']}: ",
            tag("code", row["error_class"] or "no error recorded"),
            f" after {row['epochs_done'] or 0} of {planned(row)} epochs, "
            f"{plural(row['attempts'] or 0, 'attempt')}, reason: {row['reason'] or 'unknown'}"),
        tag("pre", error_text(row), tabindex="0"),
    )  # fmt: skip


def error_text(row: Row) -> str:
    """Return what a failed trial's exception said, and where its traceback lies."""
    said = row["error_message"] or "no message"
    return f"{said}\n{row['traceback']}" if row["traceback"] else str(said)


def early_table(results: Results, rows: Sequence[Row]) -> Html:
    if not rows:
        return tag("p", "None.", class_="missing")
    columns = [
        text_column("Trial"),
        number_column("Seed"),
        text_column("Status"),
        text_column("Reason"),
        number_column("Epochs"),
        number_column("Validation so far, %"),
    ]
    cells = [
        [
            results.labels[row["trial_id"]],
            row["seed"],
            tag("span", row["status"], class_=f"status {row['status']}"),
            row["reason"],
            f"{row['epochs_done'] or 0} of {planned(row)}",
            fixed(row["validation_accuracy"]),
        ]
        for row in rows
    ]
    caption = "Trials that did not complete; they enter no mean of completed ones"
    return table(caption, columns, cells, id="unfinished")


def events_table(results: Results) -> Html:
    """When trials died, were interrupted or resumed; nothing if all ran through."""
    kinds = ("died", "resumed", "interrupted")
    events = [event for event in results.events if event["event"] in kinds]
    if not events:
        return Html()
    columns = [
        text_column("Trial"),
        number_column("Seed"),
        text_column("Time (UTC)"),
        text_column("Event"),
        number_column("Epoch reached"),
        number_column("Attempt"),
        text_column("Detail"),
    ]
    cells = [
        [
            results.labels[event["trial_id"]],
            event["seed"],
            f"{event['time']:%Y-%m-%d %H:%M:%S}" if event["time"] else None,
            *(event[column] for column in ("event", "epoch", "attempt", "detail")),
        ]
        for event in sorted(events, key=lambda event: str(event["time"]))
    ]
    return table("Interruptions and resumptions", columns, cells, id="events")


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


def run_section(results: Results) -> Html:
    """What was run and on what: data and machine, the common recipe, the differences."""
    if not results.all_trials:
        return tag("p", "No trial has been recorded.", class_="missing")
    recipes = (assumed_table, recipe_table, differences_table) if results.groups else ()
    return join(part(results) for part in (environment_table, *recipes))


def environment_table(results: Results) -> Html:
    rows: list[list[object]] = [
        [title, listed(shown(column, value) for value in distinct(results.all_trials, column))]
        for column, title in ENVIRONMENT.items()
    ]
    ended = distinct(results.all_trials, "ended")
    totals = {
        "First start": min(distinct(results.all_trials, "started"), default=None),
        "Last end": max(ended, default=None),
    }
    rows += [[name, f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else None]
             for name, time in totals.items()]  # fmt: skip
    for column in ("training", "evaluating", "starting"):
        seconds = [row[f"seconds_{column}"] for row in results.all_trials]
        total = sum(value for value in seconds if value is not None)
        rows.append([f"Time {column}, all trials", duration(total)])
    columns = [text_column("What"), text_column("Value")]
    return table("Data, machine and versions", columns, rows, id="environment")


def shown(column: str, value: object) -> str:
    if column in ("dataset_checksum", "git_commit"):
        return str(value)[:12]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def recipe_table(results: Results) -> Html:
    common, _ = results.split_settings
    rows = [[name, setting(value)] for name, value in common.items() if is_on(value)]
    columns = [text_column("Setting"), text_column("Value")]
    caption = "Recipe that all configurations share (settings that are off are left out)"
    content = table(caption, columns, rows, id="recipe")
    return tag("details", tag("summary", "The recipe in common"), content, open="")


def differences_table(results: Results) -> Html:
    _, differing = results.split_settings
    if not differing:
        return tag("p", "All trials share one configuration.", class_="missing")
    columns = [text_column("Configuration"), *(text_column(name) for name in differing)]
    rows = [
        [group.label, *(setting(group.used.get(name)) for name in differing)]
        for group in results.groups
    ]
    caption = "Recipe differences: the settings that are not the same everywhere"
    return table(caption, columns, rows, id="differences")
