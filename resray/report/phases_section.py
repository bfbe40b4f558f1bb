"""Settings that change over a training: learning rate, momentum, and whatever its phases switch."""

from itertools import accumulate, groupby

from resray.analysis.phases import Values, all_courses, changes, setting_name
from resray.analysis.results import Analysis
from resray.analysis.words import listed
from resray.report.tables import table, text_cell
from resray.report.text import Html


def phases_section(results: Analysis) -> Html:
    """A table of the settings that change, with their values and epochs; nothing if none does."""
    labels: dict[tuple[str, str], list[str]] = {}
    for group, courses in all_courses(results):
        for course in courses[:1]:
            for key, values in course.items():
                if key not in ("learning_rate", "momentum") and changes(key, values):
                    labels.setdefault((setting_name(key), in_words(values)), []).append(group.label)
    rows = (
        [text_cell("Setting", name), text_cell("Value", text),
         text_cell("Configuration", listed(who, most=12))]
        for (name, text), who in labels.items()
    )  # fmt: skip
    return table("Settings that change by epoch, as recorded", rows, id="phases")


def in_words(values: Values) -> str:
    """Return ``0.3 to epoch 50, 0.2 to epoch 80, then 0.1``."""
    runs = [(value, len(list(equal))) for value, equal in groupby(values)]
    ends = accumulate(length for _, length in runs)
    shown = ["off" if value is None else f"{value:g}" for value, _ in runs]
    until = [f"{text} to epoch {end}" for text, end in zip(shown[:-1], ends, strict=False)]
    return ", ".join([*until, f"then {shown[-1]}"])
