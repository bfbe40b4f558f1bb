"""Options of a search that mean nothing together: refused, rather than passed over in silence."""

from collections.abc import Collection, Iterator, Sequence

from resray.errors import InputError
from resray.study.search_spec import Search, SearchSettings

IDLE = {
    "none": ("grace", "reduction_factor", "rung_schedule", "audit"),
    "median": ("reduction_factor", "rung_schedule"),
}
"""What says nothing with a scheduler, since that stops nobody or has no rungs."""


def refuse_contradictions(
    search: Search, settings: SearchSettings, spaces: Sequence[str], typed: Collection[str]
) -> None:
    """Raise InputError for settings that contradict each other, or say nothing.

    ``typed`` holds the names of the settings that were typed: what a study has for another
    scheduler or method stands there for those who take these.
    """
    for message in mistakes(search, settings, spaces, typed):
        raise InputError(message)


def mistakes(
    search: Search, settings: SearchSettings, spaces: Sequence[str], typed: Collection[str]
) -> Iterator[str]:
    """Yield what is wrong, one line each."""
    scheduler, method = settings.scheduler, settings.method
    if method == "tpe" and scheduler == "halving":
        yield (
            "--method tpe: proposes point after point, but --scheduler halving compares all at "
            "each rung; choose --scheduler asha, median or none"
        )
    for name in IDLE.get(scheduler, ()):
        if name in typed:
            option = f"--{name.replace('_', '-')} {getattr(settings, name)}"
            yield f"{option}: says nothing with --scheduler {scheduler}; leave one of them out"
    if "samples" in typed and method == "grid" and not draws(search, spaces):
        yield (
            f"--samples {settings.samples}: these spaces are grids, of which nothing is drawn; "
            "leave it out, or choose --method random or tpe"
        )
    if "method" in typed and "samples" not in typed and method not in ("grid", search.method):
        yield f"--method {method}: say with --samples how many points"


def draws(search: Search, spaces: Sequence[str]) -> bool:
    """Whether the spaces have an axis whose values are drawn."""
    axes = (axis for name in spaces for each in search.spaces[name].axes.values() for axis in each)
    return any(axis.form != "grid" for axis in axes)
