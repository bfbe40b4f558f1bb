"""Which differences a study's claims declared before anything was measured."""

from collections.abc import Mapping, Sequence

from resray.analysis.margins import ONE, NotLinearError, leaves, margin_tree
from resray.analysis.matching import NotJudgedError, NotMatchedError, matched, reference
from resray.analysis.results import Analysis, joined_id, once
from resray.analysis.verdicts import judged_folder
from resray.study.claims import Statement, Value, check_statement


@once
def declared(results: Analysis) -> Mapping[frozenset[str], Sequence[str]]:
    """Return the ids of the claims that are judged, each by itself, on the difference of two test
    accuracies, by the labels of the two configurations."""
    name = judged_folder(results)
    judged = results.sources[name] if name else results
    found: dict[frozenset[str], list[str]] = {}
    for claim in judged.study.claims if judged.study else []:
        for statement in filter(is_difference, map(check_statement, claim.check)):
            try:
                groups = matched(judged, [reference(value) for value in statement.values])
            except (NotMatchedError, NotJudgedError):
                continue
            ids = [str(group.trials[0]["trial_id"]) for group in groups.values()]
            labels = [results.labels[joined_id(name, each) if name else each] for each in ids]
            found.setdefault(frozenset(labels), []).append(claim.id)
    return found


def is_difference(statement: Statement) -> bool:
    """Whether a statement is about nothing but the difference of two test accuracies."""
    try:
        ratios = leaves(margin_tree(statement))
    except NotLinearError:
        return False
    values, parts = statement.values, [ratio.above.coefficients for ratio in ratios]
    return (
        len(values) == 2
        and all(Value("test_accuracy", each.trial, variant=each.variant) == each for each in values)
        and all(ratio.below == ONE for ratio in ratios)
        and all(len(part) == 2 and sum(part.values()) == 0 for part in parts)
    )
