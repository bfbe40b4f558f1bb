"""What a study says that could never mean anything is a mistake; what it could mean is read."""

from pathlib import Path

import pytest

from resray.errors import InputError
from resray.study.load import load_study

STUDY = """\
name: mine
title: Two networks
question: Which one?
recipe: {model: resnet10, data: cifar10, epochs: 20}
trials:
  - name: small
  - {name: large, recipe: {model: resnet50}}
variants:
  short: {description: half as long, trials: {small: {epochs: 10}}}
"""


ADDED = {
    "claim on an epoch of no variant": (
        "claims: [{id: a, text: t, check: 'test_accuracy[large, epoch=21] > 1'}]",
        "claims[0].check: epoch 21 is beyond the last one, 20",
    ),
    "claim on an epoch beyond its variant": (
        "claims: [{id: a, text: t, check: 'test_loss[small, epoch=11, variant=short] > 1'}]",
        "claims[0].check: epoch 11 is beyond the last one, 10",
    ),
    "claim on a value and itself": (
        "claims: [{id: a, text: t, check: 'test_accuracy[small] > test_accuracy[small]'}]",
        "claims[0].check: 'test_accuracy[small] > test_accuracy[small]' compares a value with",
    ),
    "claim that is a number": (
        "claims: [{id: a, text: t, check: 5}]",
        "claims[0].check: 5 must be text; put it in quotes",
    ),
    "checkpoint of no epoch": (
        "checkpoints: {at: [20, 21]}",
        "checkpoints.at[1]: epoch 21 is beyond the last one, 20",
    ),
    "last ones of nothing": ("checkpoints: {keep_last: 2}", "checkpoints.keep_last: needs `every`"),
    "reason for no setting": (
        "assumed: {optimizer.lrr: unstated}",
        "assumed.optimizer: 'lrr' is not known; did you mean 'lr'? (betas, companion_lr,",
    ),
    "reason for less than a setting": (
        "assumed: {model.stem.kind: unstated}",
        "assumed.model.stem: has no 'kind' in it",
    ),
    "grid's value twice": (
        "grid: {model: [resnet18], optimizer.lr: [0.1, 0.1]}",
        "grid: 'resnet18-0.1' stands there twice",
    ),
    "name of a change": (
        "ablate: {changes: {x y: {batch_size: 2}, z: {epochs: 10}}}",
        "ablate.changes.x y: 'x y' is no name",
    ),
    "form of an ablation": (
        "ablate: {forms: 5, changes: {x: {batch_size: 2}, z: {epochs: 10}}}",
        "ablate.forms: 5 is not known (add, chain, remove)",
    ),
}


@pytest.mark.parametrize(("added", "expected"), ADDED.values(), ids=ADDED.keys())
def test_what_could_never_mean_anything_is_a_mistake(
    tmp_path: Path, added: str, expected: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{STUDY}{added}\n")
    with pytest.raises(InputError) as raised:
        load_study(str(path))
    (message,) = str(raised.value).splitlines()
    assert message.startswith(f"{path}:10: {expected}")


@pytest.mark.parametrize(
    "added",
    [
        "claims: [{id: a, text: t, check: 'test_accuracy[small, epoch=20] > 1'}]",
        "checkpoints: {at: [20], every: 5, keep_last: 2}",
        "assumed: {optimizer: x, augmentation.cutout.size: x, target_accuracy: x}",
    ],
)
def test_what_does_mean_something_is_read(tmp_path: Path, added: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{STUDY}{added}\n")
    assert load_study(str(path)).name == "mine"
