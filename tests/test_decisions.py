"""What was decided in a search: of each trial, at each rung, and the totals that are kept."""

from resray.search.decisions import Decision, Decisions, RungState
from resray.study.search_spec import SearchSettings


def decided(*made: tuple[str, int | None, int, float | None, float | None, bool]) -> Decisions:
    decisions = Decisions(SearchSettings(grace=2, reduction_factor=3))
    for trial_id, rung, epoch, value, cutoff, stopped in made:
        decisions.add(trial_id, Decision(rung, epoch, value, cutoff, 1, stopped))
    return decisions


def test_of_each_trial_in_order() -> None:
    decisions = decided(("a", 1, 2, 50, None, False), ("b", 1, 2, 40, 50, True),
                        ("a", 2, 6, 55, None, False))  # fmt: skip
    assert [made.rung for made in decisions.of("a")] == [1, 2]
    assert decisions.of("nobody") == []
    assert [decisions.is_stopped(each) for each in ("a", "b", "nobody")] == [False, True, False]
    assert [decisions.stopped_after(each) for each in ("a", "b")] == [None, 2]
    assert [decisions.rung_of(each) for each in ("a", "b", "nobody")] == [2, 1, None]
    assert {each: made.value for each, made in decisions.at(1).items()} == {"a": 50, "b": 40}
    assert decisions.at(3) == {}
    assert decisions.count == 3


def test_rungs_have_the_latest_cutoff_and_their_epoch() -> None:
    decisions = decided(("c", 1, 0, None, None, True), ("a", 1, 2, 50, None, False),
                        ("b", 1, 2, 40, 50, True), ("d", 1, 2, 45, 45, False),
                        ("a", 2, 6, 55, None, False))  # fmt: skip
    assert decisions.states() == [
        RungState(1, 2, arrived=4, went_on=2, stopped=2, cutoff=45),
        RungState(2, 6, arrived=1, went_on=1, stopped=0, cutoff=None),
    ]
    assert decisions.rung_of("c") is None, "it failed on its way there"
    assert decisions.stopped_after("c") == 0


def test_without_rungs_each_epoch_has_a_state() -> None:
    decisions = decided(("a", None, 3, 50, None, False), ("a", None, 2, 50, 40, False),
                        ("b", None, 3, 30, 50, True))  # fmt: skip
    states = [(each.rung, each.epoch, each.arrived, each.stopped) for each in decisions.states()]
    assert states == [(None, 2, 1, 0), (None, 3, 2, 1)]
    assert decisions.rung_of("b") is None


def test_an_epoch_that_is_decided_on_again_counts_once() -> None:
    decisions = decided(("a", None, 2, 50, 60, True), ("a", None, 2, 65, 60, False))
    assert decisions.states() == [RungState(None, 2, 1, 1, 0, 60)]
    assert not decisions.is_stopped("a")
    assert [made.value for made in decisions.of("a")] == [65]
