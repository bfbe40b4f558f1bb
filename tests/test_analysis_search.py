"""What the report says of a search: points, cost, audit; and that none of it mixes with tests."""

import json
import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import plotly.graph_objects as go
import pytest

from resray.analysis.matching import NotMatchedError, finished
from resray.analysis.results import Analysis
from resray.analysis.search import Search, search_of
from resray.analysis.search_cost import audit_of, spent_on
from resray.figures import plot
from resray.figures.drawn import reduced_note
from resray.figures.search_history import steps_of
from resray.report.answer import answer, banners
from resray.report.page import render
from resray.report.search_section import points_section, search_section
from resray.report.search_words import (
    audit_words,
    confirmation_words,
    expected_words,
    optimism,
    outcome,
    savings,
    way_of_winner,
    winner_words,
)
from resray.report.tables import LONG, number_cell, table, text_cell
from resray.results.store import ResultStore
from resray.search.expected import expected_best
from resray.study.reduction import migrated
from resray.study.search_spec import SearchSettings
from tests.page_reader import figures_of, packed_in, panels_of
from tests.report_builder import changed, trial
from tests.search_builder import GRID, SearchBuilder, shuffled
from tests.test_report_page import Outline


@pytest.fixture(scope="module")
def asha(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    """24 points under ASHA, one diverged, one failed, 4 audited; 3 confirmations, 2 of bench."""
    builder = SearchBuilder(tmp_path_factory.mktemp("asha"))
    builder.run(shuffled(GRID), diverging=[3], failing=[10])
    builder.audit(4)
    builder.confirm(3)
    for seed in (0, 1):
        builder.store.put_trial(trial("resnet18", seed, test_accuracy=90.0 + seed))
    return Analysis.of(builder.written())


def found(results: Analysis) -> Search:
    search = search_of(results)
    assert search is not None
    return search


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", " ".join(Outline(html).text)).replace("\xa0", " ")


def page_of(results: Analysis) -> str:
    """Return the page without Plotly's own code."""
    return render(results)


# --- apart from what is tested ------------------------------------------------------------------


def test_a_searchs_trials_are_in_no_group_and_no_mean(asha: Analysis) -> None:
    assert {row["role"] for row in asha.rows} == {"bench", "confirmation"}
    assert len(asha.search.trials) == 24
    assert not {row["trial_id"] for row in asha.search.trials} & asha.epoch_table.keys()
    assert {group.label: len(group.trials) for group in asha.groups} == {
        "resnet18": 2,
        "resnet34-adam-0.01 · confirmed": 3,
    }
    assert "resnet18 has the highest measured test accuracy of 2 configurations" in answer(asha)[0]


def test_a_confirmation_is_no_trial_of_the_study_to_a_claim(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.put_trial(trial("resnet18", role="confirmation", trial_id="c"))
    store.flush()
    with pytest.raises(NotMatchedError, match="resnet18 was not run"):
        finished(Analysis.of(tmp_path), ("resnet18", None))
    store.put_trial(trial("resnet18", trial_id="b"))
    store.flush()
    (group,) = finished(Analysis.of(tmp_path), ("resnet18", None))
    assert group.label == "resnet18"


def test_a_search_alone_opens_and_says_what_is_known(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(shuffled(GRID)[:6])
    html = page_of(Analysis.of(builder.written()))
    text = text_of(html)
    assert "has not been confirmed, and only that is tested" in text
    assert "Not confirmed with fresh seeds yet, so nothing is known of test." in text
    assert "No finished trial" not in text
    assert "No trial has been recorded" not in text
    assert figures_of(html).keys() == {"parallel", "axes", "rungs", "best", "workers"}
    assert "--audit K" in text
    builder.confirm(2)
    (said, *_) = answer(Analysis.of(builder.written()))
    assert re.match(r"The winner of the search, \S+, reaches a test accuracy of .*\(n.=.2, ±", said)


def test_a_report_of_chosen_trials_leaves_the_search_out(asha: Analysis) -> None:
    results = Analysis.of(asha.folder, trial_ids=[row["trial_id"] for row in asha.rows])
    assert not results.search
    assert search_section(results) == points_section(results) == ""
    assert "search" not in figures_of(page_of(results))


# --- in words -----------------------------------------------------------------------------------


def test_outcome_and_winner_in_words(asha: Analysis) -> None:
    search = found(asha)
    assert outcome(search) == (
        "24 points: 4 trained in full, 18 stopped by the scheduler (4 of these trained on for the "
        "audit), 1 failed, 1 diverged."
    )
    assert winner_words(search).replace("\xa0", " ") == (
        "The winner is trial=resnet34, optimizer=adam, lr=0.01, with a validation accuracy of "
        "72.83 %."
    )
    way = way_of_winner(search)
    assert way is not None
    assert way.startswith("It was number 21 to start; at rung 1 (epoch 1) it had place 1 of 24")


def test_confirmation_stands_apart_with_its_n_and_spread(asha: Analysis) -> None:
    search = found(asha)
    said = confirmation_words(search).replace("\xa0", " ")
    assert said == "Confirmed with 3 fresh seeds: test 70.59 ± 0.32 % (n = 3)."
    assert "validation" not in said
    above = optimism(search)
    assert above is not None
    assert "test" not in above
    assert "72.83\xa0% was 1.84 points above that, as the highest of many tends to be" in above
    assert "tends to flatter" not in text_of(search_section(asha)), "it is known"


def test_a_winner_that_fresh_seeds_exceed_flatters_nobody(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(GRID[:3])
    assert "tends to flatter" in text_of(search_section(Analysis.of(builder.written())))
    builder.confirm(2, validation_accuracy=99.0)
    text = text_of(search_section(Analysis.of(builder.written())))
    assert re.search(r"points below that, so it does not flatter here\.", text)
    assert "tends to flatter" not in text
    won = found(Analysis.of(builder.written())).won
    assert won is not None
    builder.confirm(2, validation_accuracy=won.accuracy)
    assert "was the same, so" in str(optimism(found(Analysis.of(builder.written()))))


def test_what_a_bench_trained_of_the_winner_confirms_it(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(GRID[:2])
    builder.confirm(3)
    builder.store.put_trial({"trial_id": "c1", "role": "bench"})
    said = confirmation_words(found(Analysis.of(builder.written()))).replace("\xa0", " ")
    assert said.startswith("Confirmed with 3 fresh seeds (1 of them by resray bench): test")


def test_unfinished_confirmations_are_counted(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(GRID[:2])
    builder.confirm(1, status="running")
    assert "(1 begun, none finished)" in confirmation_words(found(Analysis.of(builder.written())))


def test_the_table_ranks_every_point_and_names_errors(asha: Analysis) -> None:
    text = text_of(points_section(asha))
    assert re.search(r"Rank .* 1 72.83 trained in full 9 of 9 resnet34 adam 0.01", text)
    assert text.index("stopped by the scheduler") < text.index(" failed ") < text.index(" diverged")
    assert re.search(r"rung \d, cutoff [\d.]+ %", text)
    assert "Device" not in text, "it is the same everywhere"
    assert "Device" in text_of(points_section(on_two_devices(asha)))
    assert "loss became nan" in text


def on_two_devices(results: Analysis) -> Analysis:
    first, *rest = results.search.trials
    search = replace(results.search, trials=(first | {"device": "Other GPU"}, *rest))
    return changed(results, search=search)


def test_a_longer_search_is_changed_and_not_reduced(tmp_path: Path) -> None:
    longer = '["60 epochs in place of 9", "schedule rescaled: warmup_epochs 6"]'
    shorter = '["3 of 9 epochs"]'
    for reductions, heading, note in (
        (longer, "The search's recipes were changed", ""),
        (shorter, "The search is reduced", "Reduced runs. "),
    ):
        builder = SearchBuilder(tmp_path / heading)
        builder.to_end(builder.plan(GRID[0], reductions=migrated(reductions)))
        results = Analysis.of(builder.written())
        assert [head for head, _ in banners(results) if "study" not in head] == [heading]
        figure = plot.Figure("any", "", "", [], [], of_search=True)
        assert reduced_note(results, figure) == note


def test_rungs_hold_every_decision(asha: Analysis) -> None:
    text = text_of(search_section(asha))
    first, second = re.findall(r" ([12]) ([13]) (\d+) (\d+) (\d+) (\d) [\d.]+ → [\d.]+", text)
    arrived = [int(rung[2]) for rung in (first, second)]
    went_on = [int(rung[3]) for rung in (first, second)]
    lost = [int(rung[5]) for rung in (first, second)]
    assert arrived[0] == 24
    assert arrived[1] + lost[1] == went_on[0]
    assert went_on[1] == 4
    assert sum(lost) == 2


# --- cost and audit -----------------------------------------------------------------------------


def test_cost_is_that_of_epochs_up_to_the_stop(asha: Analysis) -> None:
    search = found(asha)
    stopped = search.of_state("stopped")
    spent = spent_on(stopped)
    ends = [point.stop["epoch"] for point in stopped if point.stop]
    sizes = [point.row["multiply_adds"] * 45000 for point in stopped]
    assert spent.epochs == sum(ends)
    assert spent.full_epochs == 9 * len(stopped)
    assert spent.work == sum(end * size for end, size in zip(ends, sizes, strict=True))
    assert spent.full_work == 9 * sum(sizes)
    # Every epoch of a point takes as long, so full trainings cost in time what they do in work.
    assert spent.shares[2] == pytest.approx(spent.shares[1])
    assert spent_on(search.of_state("failed", "diverged")).shares[0] == 1.0
    saved = savings(search)
    assert saved is not None
    assert saved.startswith("On all 24 points the search spent 33\xa0% of the epochs")
    assert "The audit's 30 epochs come on top." in saved


def test_what_its_own_early_stopping_ended_was_not_saved(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path, SearchSettings(scheduler="none"))
    builder.run(GRID[:2])
    for row in builder.rows:
        builder.store.put_trial({"trial_id": row["trial_id"], "epochs_done": 3})
    search = found(Analysis.of(builder.written()))
    assert list(spent_on(search.points).shares) == [1.0, 1.0, pytest.approx(1.0)]


def test_a_search_that_stops_nobody_says_what_fewer_points_would_have_found(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path, SearchSettings(scheduler="none"))
    builder.run(GRID[:5])
    search = found(Analysis.of(builder.written()))
    values = [row["validation_accuracy"] for row in builder.stored()]
    text = expected_words(search)
    assert text is not None
    assert f": {fmean(values):.2f}\xa0% of 1, " in text
    assert f", {expected_best(values, 4):.2f}\xa0% of 4 (Dodge" in text
    assert text in str(search_section(Analysis.of(builder.written())))


def test_a_search_that_stops_some_does_not_know_what_fewer_would_have_found(asha: Analysis) -> None:
    assert expected_words(found(asha)) is None


def test_writing_checkpoints_costs_too(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(GRID[:3])
    before = Analysis.of(builder.written())
    for row in builder.rows:
        trial_id = row["trial_id"]
        saved = [epoch | {"seconds_saving": 2.0} for epoch in builder.store.epochs(trial_id)]
        builder.store.put_epochs(trial_id, saved)
        builder.store.put_trial({"trial_id": trial_id, "seconds_saving": 2.0 * len(saved)})
    after = Analysis.of(builder.written())
    spent, more = (spent_on(found(each).points) for each in (before, after))
    assert spent.seconds is not None
    assert more.seconds == pytest.approx(spent.seconds + 2 * spent.epochs)
    end, later = (steps_of(each, found(each))[-1].seconds for each in (before, after))
    assert later == pytest.approx(end + 2 * spent.epochs)


def test_unmeasured_cost_is_not_made_up(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(GRID[:3])
    unknown = {"multiply_adds": None, "seconds_training": None, "seconds_evaluating": None}
    builder.store.put_trial({"trial_id": "t001", **unknown})
    spent = spent_on(found(Analysis.of(builder.written())).points)
    assert spent.shares[0] is not None
    assert spent.shares[1:] == (None, None)


def test_audit_gives_an_interval_and_a_regret(asha: Analysis) -> None:
    audit = audit_of(found(asha))
    assert (audit.audited, audit.won, audit.most) == (4, 0, 8)
    sure, regret = audit_words(found(asha))
    assert "at most 8 of all 18" in sure
    assert "a regret of 0" in regret


def test_an_audited_point_that_would_have_won_is_told_with_its_regret(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(shuffled(GRID))
    builder.audit(2)
    before = found(Analysis.of(builder.written())).won
    audited = next(row for row in builder.stored() if row["audited"])
    builder.store.put_trial({"trial_id": audited["trial_id"], "validation_accuracy": 80.0})
    search = found(Analysis.of(builder.written()))
    assert search.won is not None
    assert before is not None
    assert search.won.values == before.values
    sure, regret = audit_words(search)
    assert "trained to the end: 1 would have won" in sure
    assert regret.startswith(f"Regret: {80 - (before.accuracy or 0):.2f} points.")


def test_the_bound_leaves_out_what_was_stopped_since_the_audit_began(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(shuffled(GRID[:12]))
    builder.audit(2)
    before = audit_of(found(Analysis.of(builder.written())))
    builder.run(GRID[12:])
    search = found(Analysis.of(builder.written()))
    sampled = audit_of(search).sampled(search.audit_began)
    assert sampled.stopped == before.stopped
    later = audit_of(search).stopped - before.stopped
    assert later > 0
    sure, _ = audit_words(search)
    assert f"at most {sampled.most} of these {before.stopped} would have" in sure
    assert sure.endswith(f"It says nothing of the {later} stopped later.")
    late = [row["trial_id"] for row in builder.stored() if row["status"] == "stopped"][-1]
    builder.go_on(late)
    search = found(Analysis.of(builder.written()))
    assert audit_of(search).sampled(search.audit_began) == sampled
    sure, _ = audit_words(search)
    assert sure.endswith(f"the {later} stopped later, 1 of which was audited too: none would have "
                         "won.")  # fmt: skip


def test_an_audit_whose_beginning_is_not_recorded_bounds_nothing(asha: Analysis) -> None:
    search = replace(found(asha), audit_began=None)
    sure, _ = audit_words(search)
    assert "4, drawn at random, were trained to the end: none would have won. When these" in sure
    assert "confidence" not in sure


def test_an_audited_point_that_diverges_is_one_that_did_not_win(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(shuffled(GRID))
    builder.audit(2)
    first, second = [row["trial_id"] for row in builder.stored() if row["audited"]]
    lost = {"status": "failed", "reason": "diverged"}
    builder.store.put_trial({"trial_id": first, **lost})
    audit = audit_of(found(Analysis.of(builder.written())))
    assert (audit.audited, audit.won, audit.diverged) == (2, 0, 1)
    builder.store.put_trial({"trial_id": second, **lost})
    (sure,) = audit_words(found(Analysis.of(builder.written())))
    assert "none would have won. 2 of them diverged. With 95" in sure


# --- other kinds of search ----------------------------------------------------------------------


def test_rescaled_rungs_are_one_point_of_several_trainings(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path, SearchSettings(rung_schedule="rescaled"))
    builder.run_rescaled(shuffled(GRID)[:9])
    results = Analysis.of(builder.written())
    search = found(results)
    assert len(search.points) == 9 < len(results.search.trials)
    assert search.won is not None
    assert [row["epochs"] for row in search.won.rows] == [1, 3, 9]
    assert spent_on([search.won]).epochs == 13
    assert "rescaled to the rung's epochs" in text_of(search_section(results))
    assert "rungs" in figures_of(page_of(results))


def test_halving_judges_each_rung_together(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path, SearchSettings(scheduler="halving"))
    builder.halve(shuffled(GRID)[:9])
    results = Analysis.of(builder.written())
    assert outcome(found(results)) == "9 points: 1 trained in full, 8 stopped by the scheduler."
    text = text_of(search_section(results))
    assert "The order of arrival decides nothing." in text
    assert re.search(r" 1 1 9 3 6 0 ", text)


def test_a_changed_recipe_makes_other_points(tmp_path: Path) -> None:
    """The study's batch size was edited between two searches: the axes are the same."""
    builder = SearchBuilder(tmp_path, SearchSettings(scheduler="none"))
    builder.run(GRID[:3])
    edited = json.dumps({**json.loads(builder.rows[0]["recipe"]), "batch_size": 16})
    trial_id = builder.plan(GRID[0], recipe=edited)
    builder.to_end(trial_id)
    search = found(Analysis.of(builder.written()))
    assert outcome(search) == "3 points: 3 trained in full."
    assert {len(point.rows) for point in search.points} == {1}
    assert search.others == 1
    assert trial_id in {point.row["trial_id"] for point in search.points}


def test_a_trial_that_waits_at_a_rung_has_not_ended(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path, SearchSettings(scheduler="halving"))
    for point in GRID[:2]:
        builder.to_end(builder.plan(point), 1)
    assert outcome(found(Analysis.of(builder.written()))) == "2 points: 2 waiting or unfinished."


def test_median_stopping_has_one_row_for_every_epoch(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path, SearchSettings(scheduler="median", grace=2))
    builder.run(shuffled(GRID)[:9])
    text = text_of(search_section(Analysis.of(builder.written())))
    assert re.search(r"every epoch 2 to \d ", text)
    assert "median of the others' running means" in text


def test_an_ended_budget_and_waiting_points_are_no_savings(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(shuffled(GRID), budget=20)
    search = found(Analysis.of(builder.written()))
    assert outcome(search) == (
        "24 points: 1 stopped by the scheduler, 2 ended by a budget, 21 waiting or unfinished."
    )
    assert winner_words(search) == "No winner: no point was trained in full yet."
    assert str(savings(search)).startswith("On the 1 point whose fate is known")
    assert "known first, so that is too low for all" in str(savings(search))


def test_of_several_searches_the_last_one_counts(tmp_path: Path) -> None:
    """A trial that a search with other settings went on with is that search's."""
    builder = SearchBuilder(tmp_path)
    builder.run(shuffled(GRID)[:8])
    other = {"search": '{"options":["epochs=9"],"scheduler":"none"}', "status": "completed"}
    for row in builder.stored()[:5]:
        builder.store.put_trial({"trial_id": row["trial_id"], "epochs_done": 9, **other})
    results = Analysis.of(builder.written())
    assert outcome(found(results)) == "5 points: 5 trained in full."
    assert audit_words(found(results)) == []
    text = text_of(search_section(results))
    assert "Changed by options in every trial: epochs=9." in text
    assert "3 trials of searches with other settings" in text


# --- the page -----------------------------------------------------------------------------------


def test_every_trace_is_valid_and_every_text_harmless(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>%{x}"
    points: list[dict[str, Any]] = [
        {"trial": hostile, "lr": 0.1},
        {"trial": "resnet18", "lr": 0.001, "nested.name": ["a", None]},
        {"trial": "resnet18", "lr": 0.5, "nested.name": True},
    ]
    builder = SearchBuilder(tmp_path, SearchSettings(scheduler="none"), space=hostile)
    builder.run(points)
    html = page_of(Analysis.of(builder.written()))
    assert hostile not in html
    assert hostile in Outline(html).text
    style = dict(re.findall(r"--([a-z0-9-]+): ([^;]+);", html))
    colour = re.compile(r'"@([a-z0-9-]+)(?:/[0-9]+)?"')
    figures = json.loads(colour.sub(lambda m: f'"{style[m[1]]}"', json.dumps(figures_of(html))))
    for payload in figures.values():
        for panel in panels_of(payload):
            go.Figure(panel["data"], panel["layout"])


@pytest.mark.parametrize(
    "damage",
    [
        {"point": None, "space": None, "search": None},
        {"point": "[1]", "search": "7", "recipe": "{"},
        {"full_epochs": None, "epochs": None, "epochs_done": None, "status": "running"},
        {"validation_accuracy": None, "started": None, "rung": None},
    ],
)
def test_damaged_rows_still_make_a_page(tmp_path: Path, damage: dict[str, Any]) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(GRID[:3])
    for row in builder.rows:
        builder.store.put_trial({"trial_id": row["trial_id"], **damage})
    text = text_of(page_of(Analysis.of(builder.written())))
    assert "3 points" in text or "1 point:" in text
    assert not {"nan", "NaN", "None"} & set(re.findall(r"\w+", text))


def test_many_points_are_packed_behind_the_first(tmp_path: Path) -> None:
    places = range(LONG + 20)
    rows = ([number_cell("Rank", place), text_cell("State", str(place))] for place in places)
    html = table("Points", rows, id="points")
    assert html.count("<tr>") == 1 + LONG
    packed = json.loads(packed_in(html)["table-points"])
    assert [cells[0] for cells in packed["texts"]] == [str(place) for place in range(LONG + 20)]
    assert len(packed["rows"]) == LONG + 20
    builder = SearchBuilder(tmp_path)
    builder.run(GRID[:12])
    assert points_section(Analysis.of(builder.written())).count("<tr>") == 1 + 12
