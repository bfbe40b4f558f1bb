"""A small study, trained and recorded without Ray, for the tests of exports."""

from dataclasses import dataclass
from pathlib import Path

from resray.data.sources import open_dataset
from resray.results.store import ResultStore
from resray.run.recorder import Recorder, planned_row
from resray.study.expand import Options, PlannedTrial, expand
from resray.study.load import load_study
from resray.study.recipes import trial_id
from resray.training.context import LocalContext
from resray.training.trial import Job, run_trial

STUDY = """
name: sharing
title: Two small networks
question: Can they be shared?
recipe:
  data: {name: embedded, images: 96, classes: 4, image_size: 8, validation_images: 32}
  epochs: 3
  batch_size: 32
  precision: fp32
  optimizer: {lr: 0.02}
trials:
  - name: plain
    recipe:
      model: {name: resnet, blocks: [1, 1], channels: [8, 16]}
      phases: {label_smoothing: {1-2: 0.1, 3-3: 0}}
  - name: shared
    recipe:
      model: {name: resnet, blocks: [2], channels: [8], shared_stages: [1]}
      ema_decay: 0.9
checkpoints: {every: 1}
assumed: {optimizer: "the *author* states none"}
published:
  - {trial: plain, metric: test_accuracy, value: 87.5, unit: "%", epochs: 100, device: P100,
     protocol: "best epoch | <b>on test</b>", source: "an author"}
  - {trial: shared, metric: parameters, value: 1234, protocol: p, device: any, source: s}
"""


@dataclass
class Shared:
    """A study's results, trained in this process."""

    results: Path
    trials: dict[str, str]
    """Names to trial ids."""

    def checkpoint(self, name: str, which: str) -> Path:
        return self.results / "checkpoints" / self.trials[name] / f"{which}.pt"


def train_study(results: Path) -> Shared:
    """Train both trials of the study into ``results``."""
    results.mkdir()
    (results / "study.yaml").write_text(STUDY)
    recorder = Recorder(ResultStore(results))
    shared = Shared(results, {})
    for planned in expand(load_study(str(results / "study.yaml")), Options()):
        shared.trials[planned.name] = train(planned, results, recorder)
    return shared


def train(planned: PlannedTrial, results: Path, recorder: Recorder) -> str:
    """Train and record a trial as a run does, without Ray; return its id."""
    checksum = open_dataset(planned.recipe.data).checksum
    identity = trial_id(planned.recipe, planned.seed, dataset_checksum=checksum, world_size=1)
    job = Job(
        trial_id=identity,
        name=planned.name,
        recipe=planned.recipe.model_dump(mode="json"),
        seed=planned.seed,
        stop_after=None,
        checkpoint_folder=str(results / "checkpoints" / identity),
        data_dir=None,
        dataset_checksum=checksum,
        world_size=1,
        threads=1,
        use_gpu=False,
        study=planned.study,
        checkpoints={"every": 1},
    )
    recorder.plan(planned_row(planned, job, {"ray_version": "2.60.0"}))
    context = LocalContext()
    run_trial(job, context)
    for message in context.messages:
        recorder.message(identity, message)
    recorder.store.flush()
    assert recorder.status(identity) == "completed"
    return identity
