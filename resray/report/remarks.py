"""What to bear in mind where a claim's comparison is judged."""

from collections.abc import Iterator, Mapping

from resray.report.aggregate import Group, Results
from resray.report.matching import Reference, reference
from resray.report.metrics import few_test_images, stopped_early, uneven_epochs
from resray.study.claims import Statement
from resray.study.metrics import COUNTED, OF_DEVICE

OF_TEST = ("test_accuracy", "tta_accuracy", "ensemble_accuracy")
TIMES = tuple(metric for metric in OF_DEVICE if metric != "peak_memory_bytes")


def remarks(
    results: Results, statement: Statement, groups: Mapping[Reference, Group]
) -> Iterator[str]:
    """Yield what to bear in mind: re-encoded or few images, trainings that ended early or took
    uneven times."""
    if any("JPEG" in str(source) for group in groups.values()
           for source in group.distinct("data_source")):  # fmt: skip
        yield "JPEG images"
    whole = [reference(value) for value in statement.values
             if value.epoch is None and value.metric not in COUNTED]  # fmt: skip
    for wanted in dict.fromkeys(whole):
        if early := stopped_early(groups[wanted]):
            yield f"{groups[wanted].label} {early}"
    yield from few_images(statement, groups)
    timed = [reference(value) for value in statement.values if value.metric in TIMES]
    for wanted in dict.fromkeys(timed):
        if uneven := uneven_epochs(results, groups[wanted]):
            yield f"{groups[wanted].label}: {uneven}"


def few_images(statement: Statement, groups: Mapping[Reference, Group]) -> Iterator[str]:
    """Yield what one image weighs, where accuracies on few test images are compared."""
    tested = [groups[reference(value)] for value in statement.values
              if value.metric.startswith(OF_TEST)]  # fmt: skip
    if few := few_test_images([row for group in tested for row in group.finished]):
        yield few
