"""An ablation's tables: factors and their product, the interaction, times to an accuracy."""

import json
from math import log
from pathlib import Path
from typing import Any

import pytest

from resray.analysis.ablation import Ablation, ablations
from resray.analysis.results import Analysis
from resray.analysis.statistics import t_quantile
from resray.report.ablation_section import ablation_section, interaction, time_to
from resray.report.page import render
from resray.report.tables import Table
from resray.study.expand import Options, expand
from resray.study.load import load_study, study_files
from tests.report_builder import RECIPE, epochs_of, trial, write_results

STUDY = """
name: speed
title: Speed
question: Which change is worth what?
recipe: {model: resnet10, data: embedded, epochs: 2}
target_accuracy: 55
trials:
  - name: another
ablate:
  changes:
    batch: {batch_size: 256}
    loader: {loader: {name: device}}
    amp: {precision: bf16}
variants:
  fp16:
    description: amp in fp16
    trials: {plain+amp: &fp16 {precision: fp16}, full: *fp16, full-batch: *fp16, full-loader: *fp16}
"""
SECONDS = {
    "plain": 12.0, "plain+batch": 6.0, "plain+loader": 8.0, "plain+amp": 10.0,
    "full-amp": 3.0, "full-loader": 3.0, "full-batch": 5.0, "full": 2.0,
}  # fmt: skip
ACCURACY = {"plain": 60.0, "plain+batch": 58.0, "full-amp": 61.0, "full": 50.0}


def step(name: str, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Return the row of a step's trial: two epochs, its settings those that its name says."""
    full = name.startswith("full")

    def on(change: str) -> bool:
        return f"+{change}" in name or (full and f"-{change}" not in name)

    recipe = {
        **RECIPE,
        "epochs": 2,
        "batch_size": 256 if on("batch") else 4,
        "loader": {"name": "device" if on("loader") else "per-image", "workers": 0},
        "precision": "bf16" if on("amp") else "fp32",
    }
    own = {
        "trial_id": f"{name}-{seed}-{changes.get('started')}",
        "recipe": json.dumps(recipe),
        "test_accuracy": ACCURACY.get(name, 57.0),
    }
    return trial(name, seed, 2, **own) | changes


def epochs(row: dict[str, Any], noise: float = 0.0) -> list[dict[str, Any]]:
    """Return a step's two epochs: 30 points below its accuracy, then at it; a later seed is by its
    ``noise`` slower."""
    own = {"seconds_training": SECONDS[row["name"]] * (1 + noise * row["seed"])}
    accuracies = (row["test_accuracy"] - 30, row["test_accuracy"])
    return [
        epoch | own | {"test_accuracy": accuracy}
        for epoch, accuracy in zip(epochs_of(row), accuracies, strict=True)
    ]


def results_of(folder: Path, rows: list[dict[str, Any]], noise: float = 0.0) -> Analysis:
    study = folder / "speed.yaml"
    study.write_text(STUDY, encoding="utf-8")
    made = [epoch for row in rows if row["epochs_done"] for epoch in epochs(row, noise)]
    return Analysis.of(write_results(folder / "r", rows, epochs=made, study=study))


def forms(folder: Path, rows: list[dict[str, Any]]) -> dict[str, Ablation]:
    return {one.form: one for one in ablations(results_of(folder, rows))}


def test_factors_of_a_chain_multiply_to_the_whole(tmp_path: Path) -> None:
    chain = forms(tmp_path, [step(name) for name in SECONDS])["chain"]
    assert [one.label for one in chain.steps] == ["plain", "plain+batch", "full-amp", "full"]
    assert [chain.factor(place) for place in range(4)] == [None, 2.0, 2.0, 1.5]
    assert chain.product == chain.whole == 6.0
    assert {place: gain.value for place, gain in chain.gains.items()} == {1: -2.0, 2: 3.0, 3: -11.0}
    assert not any(gain.shown for gain in chain.gains.values()), "one seed"


def test_steps_that_a_variant_leaves_unchanged_belong_to_its_chain_too(tmp_path: Path) -> None:
    """They are trained once, under the variant that came first."""
    rows = [step(name) for name in SECONDS]
    amp = [row | {"variant": "fp16", "trial_id": f"fp16-{row['trial_id']}", "precision": "fp16",
                  "recipe": row["recipe"].replace('"bf16"', '"fp16"')}
           for row in rows if '"bf16"' in row["recipe"]]  # fmt: skip
    made = ablations(results_of(tmp_path, [*rows, *amp]))
    chains = {one.condition: one for one in made if one.form == "chain"}
    assert list(chains) == ["variant=standard", "variant=fp16"]
    for chain in chains.values():
        assert len(chain.finished) == 4
        assert chain.whole == 6.0
    (tmp_path / "alone").mkdir()
    alone = ablations(results_of(tmp_path / "alone", rows))
    assert {one.condition for one in alone} == {""}


def test_interaction_is_the_whole_over_the_product_of_single_factors(tmp_path: Path) -> None:
    made = forms(tmp_path, [step(name) for name in SECONDS])
    assert made["add"].singles == pytest.approx([2.0, 1.5, 1.2])
    assert made["add"].interaction == pytest.approx(6 / 3.6)
    assert made["remove"].singles == pytest.approx([2.5, 1.5, 1.5])
    assert made["remove"].interaction == pytest.approx(6 / 5.625)
    assert made["add"].whole == made["remove"].whole == 6.0


def test_section_says_the_product_and_what_the_interaction_means(tmp_path: Path) -> None:
    html = ablation_section(results_of(tmp_path, [step(name) for name in SECONDS]))
    assert "The steps&#x27; factors multiply to it: 2.00 × 2.00 × 1.50 = 6.00." in html
    assert "Product of the single factors: 2.00 × 1.50 × 1.20 = 3.60." in html
    assert "(whole divided by product): 1.67: that the changes act together" in html, "one seed"
    assert "a factor of 6.00" in html
    assert html.count("+ batch") == html.count("− batch") + 1 == 2
    assert "+ amp (full)" in html
    assert html.count("batch_size=256") == 3
    assert "One seed each" in html


@pytest.mark.parametrize(
    ("noise", "add", "remove"),
    [(0.001, "bring more than the single factors multiply to; the changes help each other",
      "bring more than the single factors multiply to; the changes partly replace each other"),
     (1.0, "otherwise than alone is not shown", "otherwise than alone is not shown")],
)  # fmt: skip
def test_an_interaction_is_told_where_its_interval_shows_it(
    tmp_path: Path, noise: float, add: str, remove: str
) -> None:
    rows = [step(name, seed) for name in SECONDS for seed in range(3)]
    made = {one.form: one for one in ablations(results_of(tmp_path, rows, noise))}
    for form, says in (("add", add), ("remove", remove)):
        assert says in interaction(made[form])
        interval, value = made[form].interaction_interval, made[form].interaction
        assert interval is not None
        assert value is not None
        assert interval.low <= value <= interval.high
        assert f"{interval.low:.2f} to {interval.high:.2f})" in interaction(made[form])


def test_an_interaction_has_the_degrees_of_freedom_of_its_fewest_seeds(tmp_path: Path) -> None:
    rows = [step(name, seed) for name in SECONDS for seed in range(3)]
    (add,) = (one for one in ablations(results_of(tmp_path, rows, 0.01)) if one.form == "add")
    weights = [1.0 - len(add.singles), *[1.0] * len(add.singles), -1.0]
    parts = zip(weights, (one.log_seconds for one in add.steps), strict=True)
    error = sum(weight**2 * own.variance / 3 for weight, own in parts if own) ** 0.5
    interval = add.interaction_interval
    assert interval is not None
    assert log(interval.high / interval.low) == pytest.approx(2 * t_quantile(2) * error)


def test_time_to_an_accuracy_is_that_of_the_first_epoch_to_reach_it(tmp_path: Path) -> None:
    chain = forms(tmp_path, [step(name) for name in SECONDS])["chain"]
    plain, _, _, full = chain.steps
    assert chain.common_accuracy == 50.0
    assert (time_to(plain, 55), time_to(full, 55)) == ("24.0", "not reached")
    assert (time_to(plain, 30), time_to(full, 50)) == ("12.0", "4.00")


def test_time_over_seeds_is_no_mean_of_the_lucky_ones(tmp_path: Path) -> None:
    rows = [step("plain", 0), step("plain", 1, test_accuracy=52.0), step("plain+batch")]
    plain = forms(tmp_path, rows)["chain"].steps[0]
    assert time_to(plain, 55) == "reached by 1 of 2 seeds"
    assert time_to(plain, 52) == "24.0\xa0±\xa00.0"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"exclusive": False}, "Factors are not judged (shared machine: full)."),
        (
            {"device": "NVIDIA T4"},
            "Factors are not judged (different devices: NVIDIA H200, NVIDIA T4).",
        ),
    ],
)
def test_times_that_cannot_be_compared_are_shown_without_factors(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    results = results_of(tmp_path, [step("plain"), step("plain+batch"), step("full", **changes)])
    chain = ablations(results)[0]
    assert chain.product is chain.whole is chain.factor(1) is None
    html = ablation_section(results)
    assert says in html
    assert "12.0 (shared)" in html
    assert "not reached (shared)" not in html


def test_steps_without_a_finished_trial_leave_no_product(tmp_path: Path) -> None:
    failed = step("full-amp", status="failed", epochs_done=0)
    rows = [step("plain"), step("plain+batch"), step("full"), failed]
    results = results_of(tmp_path, rows)
    chain = ablations(results)[0]
    assert (chain.factor(1), chain.factor(2), chain.factor(3)) == (2.0, None, None)
    assert chain.whole == 6.0
    assert "No product of factors: without a finished trial are full-amp." in ablation_section(
        results
    )


def test_runs_of_other_length_are_another_ablation(tmp_path: Path) -> None:
    def shorter(name: str) -> dict[str, Any]:
        recipe = json.loads(step(name)["recipe"])
        recipe["data"]["limit_train"] = 100
        return step(name, trial_id=f"{name} short", recipe=json.dumps(recipe),
                    reductions='["100 training images"]')  # fmt: skip

    names = ("plain", "plain+batch")
    rows = [step(name) for name in names] + [shorter(name) for name in names]
    results = results_of(tmp_path, rows)
    chains = [one for one in ablations(results) if one.form == "chain"]
    assert {one.condition for one in chains} == {"", "limit_train=100"}
    assert {one.label for chain in chains for one in chain.finished} == set(results.labels.values())
    assert "Reduced runs: 100 training images<" in ablation_section(results)


def test_trials_that_are_no_step_are_none_of_its_business(tmp_path: Path) -> None:
    rows = [step("plain"), step("plain+batch")]
    results = results_of(tmp_path, rows)
    before = ablation_section(results)
    other = trial("another", epochs=2)
    study = tmp_path / "speed.yaml"
    made = [epoch for row in rows for epoch in epochs(row)] + epochs_of(other)
    more = Analysis.of(write_results(tmp_path / "m", [*rows, other], epochs=made, study=study))
    assert ablation_section(more) == before


def test_page_has_the_section_only_where_there_is_an_ablation(tmp_path: Path) -> None:
    page = render(results_of(tmp_path, [step(name) for name in SECONDS]))
    assert 'href="#ablation"' in page
    assert 'data-figure="ablation"' in page
    other = render(Analysis.of(write_results(tmp_path / "other", [trial()])))
    assert 'id="ablation"' not in other
    assert 'href="#ablation"' not in other


def test_a_change_of_optimizer_may_change_all_of_its_settings(tmp_path: Path) -> None:
    planned = expand(load_study("resnet10-speed"), Options(ablate=("chain",)))
    assert len({getattr(one.recipe.optimizer, "momentum", None) for one in planned}) > 1, (
        "SGD's 0 is left behind"
    )
    rows = [
        trial(one.name, 0, 2, trial_id=one.name, recipe=one.recipe.model_dump_json())
        for one in planned
    ]
    made = [epoch | {"seconds_training": 4.0} for row in rows for epoch in epochs_of(row)]
    study = study_files()["resnet10-speed"]
    results = Analysis.of(write_results(tmp_path / "r", rows, epochs=made, study=study))
    (chain,) = [one for one in ablations(results) if one.form == "chain"]
    assert [each.step.name for each in chain.steps] == [one.name for one in planned]
    assert chain.product == pytest.approx(1.0)


def test_a_step_that_a_claim_declared_is_marked_and_the_form_says_what_it_could_show(
    tmp_path: Path,
) -> None:
    noise = (0.1, -0.2, 0.3)
    rows = [
        step(name, seed, test_accuracy=ACCURACY.get(name, 57.0) + noise[seed])
        for name in SECONDS
        for seed in range(3)
    ]
    claims = """
claims:
  - {id: batch, text: it costs, check: "test_accuracy[plain+batch] < test_accuracy[plain]"}
  - {id: whole, text: all cost, check: "test_accuracy[full] < test_accuracy[plain]"}
"""
    study = tmp_path / "claimed.yaml"
    study.write_text(STUDY + claims, encoding="utf-8")
    made = [epoch for row in rows for epoch in epochs(row)]
    section = ablation_section(
        Analysis.of(write_results(tmp_path / "r", rows, epochs=made, study=study))
    )
    marks = {
        table.id: {row[0]: str(row[-1]) for row in table.rows if row[-1]}
        for table in section.tables
        if isinstance(table, Table) and table.columns[-1].title == "Claim"
    }
    batch, whole = (f'<a href="#claim-{id}">{id}</a>' for id in ("batch", "whole"))
    assert marks == {
        "ablation-1": {"+ batch": batch},
        "ablation-2": {"+ batch": batch, "full": whole},
        "ablation-3": {"plain": whole},
    }
    assert section.count("points (median of the rows) would be shown in 80\xa0% of") == 6
    assert section.count("Where a row names a claim") == 1
