"""The expected best of a search that tries fewer points."""

from collections.abc import Sequence


def expected_best(values: Sequence[float], drawn: int) -> float:
    """Return the expected highest of so many of the ``values``, drawn without replacement.

    The expected best validation performance over the budget of Dodge et al., "Show Your Work"
    (2019), for points that were drawn independently, in the unbiased form of Tang et al., "Showing
    Your Work Doesn't Always Work" (2020): the mean over all subsets of that size.
    """
    assert 0 < drawn <= len(values)
    highest_first = sorted(values, reverse=True)
    # The share of the subsets in which a value is the highest.
    expected, share = 0.0, drawn / len(values)
    for lower, value in zip(reversed(range(len(values))), highest_first, strict=True):
        expected += share * value
        share *= (lower - drawn + 1) / lower if lower else 0.0
    return expected
