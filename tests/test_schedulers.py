"""Ray's schedulers behind a search: what they are told, what is recorded, and where a replay leaves
them. No Ray is started."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from resray.errors import InputError
from resray.run.schedulers import Judge, scheduler_of
from resray.search.decisions import Decision, Decisions
from resray.search.rules import asha_cutoff
from resray.study.search_spec import SearchSettings

TRIALS, AT_A_TIME, EPOCHS = 30, 4, 27
START = datetime(2026, 1, 1, tzinfo=UTC)
ASHA = SearchSettings(scheduler="asha", grace=1, reduction_factor=3)
MEDIAN = SearchSettings(scheduler="median", grace=2)
OWN = SearchSettings(scheduler="tests.test_schedulers:stops_below_15")


class Simulated:
    """A search whose trials have made-up accuracies and arrive in a seeded order.

    Epochs are stored with the times of their own clock, which is up to a second off; a kill leaves
    what is stored, and a new judge.
    """

    def __init__(self, settings: SearchSettings, seed: int) -> None:
        self.settings = settings
        quality, noise = random.Random(seed), random.Random(seed + 1)
        self.order = random.Random(seed + 2)
        self.clocks = [quality.uniform(0, 1) for _ in range(TRIALS)]
        best = [quality.uniform(20, 90) for _ in range(TRIALS)]
        self.accuracy = {
            (trial, epoch): best[trial] * (1 - 0.9**epoch) + noise.gauss(0, 3)
            for trial in range(TRIALS)
            for epoch in range(1, EPOCHS + 1)
        }
        self.rows: dict[str, dict[str, Any]] = {
            str(trial): {"trial_id": str(trial), "name": f"trial {trial}", "point": "{}",
                         "full_epochs": EPOCHS, "status": "pending"}
            for trial in range(TRIALS)
        }  # fmt: skip
        self.epochs: list[dict[str, Any]] = []
        self.stored: list[tuple[str, Decision, datetime]] = []
        self.now = START
        self.begin()

    def begin(self) -> None:
        """Begin a command on what is stored."""
        scheduler = scheduler_of(self.settings, EPOCHS)
        assert scheduler is not None
        self.decisions = Decisions(self.settings)
        for trial_id, made, _ in self.stored:
            self.decisions.add(trial_id, made)
        self.judge = Judge(scheduler, self.settings, self.decisions, self.decide)
        decided = {(trial_id, made.epoch): time for trial_id, made, time in self.stored}
        self.judge.replay(self.rows, self.epochs, decided)

    def decide(self, row: dict[str, Any], made: Decision) -> None:
        self.stored.append((row["trial_id"], made, self.now))
        self.decisions.add(row["trial_id"], made)

    def run(self, kills: set[int]) -> None:
        """Train all, and begin anew after each message whose number is in ``kills``."""
        waiting, running = list(self.rows), list[str]()
        reached = dict.fromkeys(self.rows, 0)
        while waiting or running:
            while waiting and len(running) < AT_A_TIME:
                running.append(waiting.pop(0))
            trial_id = self.order.choice(running)
            row = self.rows[trial_id]
            row["status"] = "running"
            epoch = reached[trial_id] = reached[trial_id] + 1
            self.now += timedelta(seconds=0.1)
            clock = timedelta(seconds=self.clocks[int(trial_id)])
            record = {"trial_id": trial_id, "epoch": epoch, "recorded": self.now - clock,
                      "validation_accuracy": self.accuracy[int(trial_id), epoch]}  # fmt: skip
            self.epochs.append(record)
            made = self.judge.after_epoch(row, record)
            if (made is not None and made.stopped) or epoch == EPOCHS:
                row["status"] = "stopped" if made is not None and made.stopped else "completed"
                running.remove(trial_id)
                self.judge.ended(row)
            if len(self.epochs) in kills:
                self.begin()


@pytest.mark.parametrize("settings", [ASHA, MEDIAN, OWN], ids=lambda each: each.scheduler)
def test_a_replayed_scheduler_decides_as_the_unbroken_one(settings: SearchSettings) -> None:
    for seed in range(10):
        whole, killed = Simulated(settings, seed), Simulated(settings, seed)
        whole.run(set())
        killed.run({20, 41, 75})
        assert any(made.stopped for _, made, _ in whole.stored)
        assert killed.stored == whole.stored


def test_without_a_replay_it_would_decide_otherwise() -> None:
    """So the test above can fail."""
    differ = 0
    for seed in range(10):
        whole, killed = Simulated(ASHA, seed), Simulated(ASHA, seed)
        whole.run(set())
        killed.epochs = []

        def forget(search: Simulated = killed) -> None:
            scheduler = scheduler_of(ASHA, EPOCHS)
            assert scheduler is not None
            search.judge = Judge(scheduler, ASHA, Decisions(ASHA), search.decide)

        killed.begin = forget  # type: ignore[method-assign]
        killed.run({20, 41, 75})
        differ += [made.stopped for _, made, _ in killed.stored] != [
            made.stopped for _, made, _ in whole.stored
        ]
    assert differ > 5


def test_what_is_recorded_of_asha_explains_what_ray_decided() -> None:
    search = Simulated(ASHA, seed=3)
    search.run(set())
    earlier: dict[int | None, list[float]] = {}
    for _, made, _ in search.stored:
        before = earlier.setdefault(made.rung, [])
        cutoff = asha_cutoff(before, ASHA.reduction_factor)
        assert made.value is not None
        assert (made.cutoff, made.arrived) == (cutoff, len(before) + 1)
        assert made.stopped == (cutoff is not None and made.value < cutoff)
        before.append(made.value)
    assert sorted(filter(None, earlier)) == [1, 2, 3]


def test_the_best_so_far_is_handed_over_and_no_epoch_twice() -> None:
    search = Simulated(ASHA, seed=0)
    row = search.rows["0"]
    records = [{"epoch": epoch, "validation_accuracy": value}
               for epoch, value in ((1, None), (2, 50.0), (3, 40.0))]  # fmt: skip
    made = [search.judge.after_epoch(row, record) for record in records]
    assert made[0] is None, "it was not evaluated"
    assert [(each.rung, each.epoch, each.value) for each in made[1:] if each] == [
        (1, 2, 50.0),
        (2, 3, 50.0),
    ]
    assert search.judge.after_epoch(row, records[2]) is None
    last = {"epoch": EPOCHS, "validation_accuracy": 60.0}
    assert search.judge.after_epoch(row, last) is None, "the end is no rung"


def test_what_another_search_has_trained_is_compared_with_and_not_stopped() -> None:
    search = Simulated(ASHA, seed=0)
    for trial, value in enumerate((80.0, 70.0, 10.0)):
        row = search.rows[str(trial)] | {"status": "completed"}
        search.rows[str(trial)] = row
        search.epochs += [
            {
                "trial_id": str(trial),
                "epoch": epoch,
                "recorded": START,
                "validation_accuracy": value,
            }
            for epoch in range(1, EPOCHS + 1)
        ]
    search.begin()
    assert not any(made.stopped for _, made, _ in search.stored)
    fourth = search.judge.after_epoch(search.rows["3"], {"epoch": 1, "validation_accuracy": 20.0})
    assert fourth is not None
    assert (fourth.arrived, fourth.stopped) == (4, True)


def stops_below_15() -> Any:
    """A scheduler of one's own: it stops whoever is below 15 % after 3 epochs or more."""
    from ray.tune.schedulers import FIFOScheduler, TrialScheduler

    class Threshold(FIFOScheduler):
        def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
            self.metric_name = metric
            return mode == "max"

        def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
            poor = result["epoch"] >= 3 and result[str(self.metric_name)] < 15
            return str(TrialScheduler.STOP if poor else TrialScheduler.CONTINUE)

    return Threshold()


def pauses() -> Any:
    from ray.tune.schedulers import FIFOScheduler, TrialScheduler

    class Pausing(FIFOScheduler):
        def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
            return str(TrialScheduler.PAUSE)

    return Pausing()


def population_based() -> Any:
    from ray.tune.schedulers import PopulationBasedTraining

    return PopulationBasedTraining(
        time_attr="epoch", hyperparam_mutations={"lr": [0.1, 0.2]}, perturbation_interval=2
    )


def hyperband() -> Any:
    from ray.tune.schedulers import HyperBandForBOHB

    return HyperBandForBOHB(time_attr="epoch", max_t=9)


def no_scheduler() -> str:
    return "asha"


def raises() -> Any:
    raise ValueError("nothing to schedule")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("population_based", "a PopulationBasedTraining pauses or changes trials; only schedulers"),
        ("hyperband", "a HyperBandForBOHB pauses or changes trials; only schedulers that continue"),
        ("no_scheduler", "returns a str, not a Ray TrialScheduler"),
        ("raises", "nothing to schedule"),
        ("missing", "module 'tests.test_schedulers' has no attribute 'missing'"),
    ],
)
def test_schedulers_that_do_not_suit_are_refused_in_one_line(name: str, message: str) -> None:
    settings = SearchSettings(scheduler=f"tests.test_schedulers:{name}")
    with pytest.raises(InputError) as refused:
        scheduler_of(settings, EPOCHS)
    text = str(refused.value)
    assert text.startswith(f"--scheduler tests.test_schedulers:{name}: {message}")
    assert "\n" not in text


def test_a_scheduler_that_pauses_after_all_is_refused() -> None:
    search = Simulated(with_own("pauses"), seed=0)
    with pytest.raises(InputError, match="answers PAUSE after epoch 1 of trial 0; only schedulers"):
        search.judge.after_epoch(search.rows["0"], {"epoch": 1, "validation_accuracy": 1.0})


def with_own(name: str) -> SearchSettings:
    return SearchSettings(scheduler=f"tests.test_schedulers:{name}")


@pytest.mark.parametrize("name", ["none", "halving"])
def test_these_stop_no_trial_while_it_trains(name: str) -> None:
    assert scheduler_of(SearchSettings(scheduler=name), EPOCHS) is None
