"""Whole batches: each image its own parameters, whoever asks, and each operation by itself."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from resray.data.augment.augmenter import Augmenter
from resray.data.augment.crop_flip import crop_and_flip
from resray.data.augment.operation import change_all, change_groups
from resray.data.dataset import Images
from resray.data.loader import TrainLoader
from resray.data.randomness import epoch_generator
from resray.study.augmentation_spec import Augmentation, Cutout
from resray.study.recipe_spec import Recipe
from tests.prepared_batches import prepared

OFF: dict[str, Any] = {"flip": 0, "crop_padding": 0}
SINGLE: dict[str, dict[str, Any]] = {
    "resized_crop": {"scale": (0.5, 0.9)},
    "shift_scale_rotate": {},
    "affine": {"degrees": 10, "translate": 0.1, "scale": (0.9, 1.1), "shear": 10},
    "color_jitter": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.5},
    "brightness_contrast": {},
    "hue_saturation_value": {},
    "auto_augment": {},
    "rand_augment": {},
    "cutout": {"size": 4},
}
ALL = Augmentation.model_validate({"crop_probability": 0.7, **SINGLE})
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def only(name: str, **changes: Any) -> Augmentation:
    return Augmentation.model_validate({**OFF, name: {**SINGLE[name], **changes}})


def some_images(count: int, height: int = 16, width: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def to_float(images: torch.Tensor) -> torch.Tensor:
    return images.float() + 1  # so that cutout's 0 differs from black


def augmented(
    images: torch.Tensor, augmentation: Augmentation, epoch: int = 1, device: str = "cpu"
) -> torch.Tensor:
    """Augment all images at once with what an epoch draws."""
    height, width = images.shape[-2:]
    augmenter = Augmenter(augmentation, to_float, height=height, width=width, device=device)
    drawn = augmenter.draw(len(images), 0, epoch, epoch_generator(0, epoch))
    return augmenter(images.to(device, copy=True), [rows.to(device) for rows in drawn]).cpu()


def loader(
    augmentation: Augmentation, batch_size: int, rank: int = 0, ranks: int = 1
) -> TrainLoader:
    return TrainLoader(
        Images(some_images(61), torch.arange(61)),
        batch_size=batch_size,
        seed=5,
        device="cpu",
        augmentation=augmentation,
        mean=MEAN,
        std=STD,
        rank=rank,
        world_size=ranks,
    )


@pytest.mark.parametrize("name", SINGLE)
def test_one_image_differs_throughout_its_batch(name: str) -> None:
    images = some_images(1).repeat(64, 1, 1, 1)
    results = augmented(images, only(name, probability=1))
    # Some choices of a policy are few and some change nothing.
    assert len(results.unique(dim=0)) > (12 if "augment" in name else 50)


@pytest.mark.parametrize("name", [name for name in SINGLE if "augment" not in name])
@pytest.mark.parametrize(("probability", "tolerance"), [(0.0, 0), (0.3, 0.04), (1.0, 0.005)])
def test_probability_is_honoured(name: str, probability: float, tolerance: float) -> None:
    """A tiny rotation or factor may change nothing, hence the last tolerance."""
    images = some_images(1500)
    results = augmented(images, only(name, probability=probability))
    changed = (results != to_float(images)).flatten(1).any(dim=1).float().mean()
    assert float(changed) == pytest.approx(probability, abs=tolerance)


@pytest.mark.parametrize("name", ["auto_augment", "rand_augment"])
def test_a_policy_is_used_with_its_probability(name: str) -> None:
    images = some_images(1500)
    shares = []
    for probability in (0.0, 0.5, 1.0):
        results = augmented(images, only(name, probability=probability))
        shares.append(float((results != to_float(images)).flatten(1).any(dim=1).float().mean()))
    assert shares[0] == 0
    assert shares[2] > 0.6
    assert shares[1] == pytest.approx(shares[2] / 2, abs=0.05)


@pytest.mark.parametrize("name", SINGLE)
def test_untouched_images_are_exactly_themselves(name: str) -> None:
    """With half the images on, each is what it is alone, in its own place."""
    images = some_images(40)
    augmenter = Augmenter(only(name, probability=0.5), to_float, height=16, width=16)
    drawn = augmenter.draw(40, 0, 1, epoch_generator(0, 1))
    together = augmenter(images.clone(), drawn)
    for place, image in enumerate(images):
        (alone,) = augmenter(image[None].clone(), [rows[place : place + 1] for rows in drawn])
        assert torch.equal(together[place], alone)


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_together_see_what_one_sees(ranks: int) -> None:
    alone = list(prepared(loader(ALL, 19), 2))
    shares = [list(prepared(loader(ALL, 19, rank, ranks), 2)) for rank in range(ranks)]
    for whole, *parts in zip(alone, *shares, strict=True):
        assert torch.equal(whole.images, torch.cat([p.images for p in parts]))


def test_batch_size_does_not_matter() -> None:
    small, large = (
        torch.cat([batch.images for batch in prepared(loader(ALL, size), 1)]) for size in (7, 61)
    )
    assert torch.equal(small, large)


def test_an_epoch_may_have_an_augmentation_of_its_own() -> None:
    def epoch(given: Augmentation, now: Augmentation | None) -> torch.Tensor:
        batches = loader(given, 32)
        batches.augment_by(now or given)
        return torch.cat([batch.images for batch in prepared(batches, 4)])

    plain = Augmentation.model_validate(OFF)
    assert torch.equal(epoch(plain, ALL), epoch(ALL, None))
    assert torch.equal(epoch(ALL, plain), epoch(plain, None))
    assert not torch.equal(epoch(ALL, None), epoch(plain, None))


@pytest.mark.parametrize("name", SINGLE)
def test_turning_one_on_leaves_what_others_draw(name: str) -> None:
    def numbers(augmentation: Augmentation) -> list[torch.Tensor | None]:
        augmenter = Augmenter(augmentation, to_float, height=16, width=16)
        crops, *drawn = augmenter.draw(9, 0, 1, epoch_generator(0, 1))
        cutout = [7] if augmenter.cutout else []
        streams = dict(zip([*augmenter.operations, *cutout], drawn, strict=True))
        return [crops, *(streams.get(key) for key in range(1, 10))]

    everything = numbers(ALL)
    single = numbers(ALL.model_copy(update={other: None for other in SINGLE if other != name}))
    without = numbers(ALL.model_copy(update={name: None}))
    for whole, one, rest in zip(everything, single, without, strict=True):
        assert whole is not None
        assert one is None or torch.equal(one, whole)
        assert rest is None or torch.equal(rest, whole)


def test_operations_draw_independently() -> None:
    names = ("shift_scale_rotate", "brightness_contrast", "hue_saturation_value")
    spec = Augmentation.model_validate({name: {"probability": 0.5} for name in names})
    augmenter = Augmenter(spec, to_float, height=8, width=8)
    crops, *drawn = augmenter.draw(4000, 0, 1, epoch_generator(0, 1))
    chances = torch.stack([crops[:, 2].float(), *(rows[:, 0] for rows in drawn)])
    correlation = torch.corrcoef(chances) - torch.eye(4)
    assert float(correlation.abs().max()) < 0.06


def test_crop_probability() -> None:
    images = some_images(2000)
    results = augmented(images, Augmentation(flip=0, crop_padding=4, crop_probability=0.4))
    changed = (results != to_float(images)).flatten(1).any(dim=1).float().mean()
    assert float(changed) == pytest.approx(0.4 * 80 / 81, abs=0.04)


def test_flip_without_crop_is_the_same_flip() -> None:
    images = some_images(50)
    augmenter = Augmenter(Augmentation(crop_padding=0), to_float, height=16, width=16)
    drawn = augmenter.draw(50, 0, 1, epoch_generator(0, 1))
    expected = to_float(crop_and_flip(images, drawn[0], 0))
    assert torch.equal(augmenter(images.clone(), drawn), expected)


def test_flip_and_crop_draw_what_they_always_did() -> None:
    """Trials of earlier versions give the same results: literal values of version 0.1."""
    generator = epoch_generator(0, 1)
    assert torch.randperm(10, generator=generator).tolist() == [4, 8, 5, 0, 7, 6, 2, 3, 9, 1]
    augmenter = Augmenter(ALL, to_float, height=8, width=8)
    plain = Augmenter(Augmentation(), to_float, height=8, width=8)
    expected = [[4, 5, 1], [6, 2, 1], [5, 6, 1], [0, 4, 1]]
    assert plain.draw(10, 0, 1, generator)[0][:4].tolist() == expected
    generator = epoch_generator(0, 1)
    torch.randperm(10, generator=generator)
    cropped = augmenter.draw(10, 0, 1, generator)[0][:4].tolist()
    assert [row[2] for row in cropped] == [row[2] for row in expected]
    assert all(row[:2] in ([4, 4], wish[:2]) for row, wish in zip(cropped, expected, strict=True))


def test_cutout_comes_last() -> None:
    """Whatever else is done to an image, its hole of 4x4, or the part within, is 0."""
    always = ALL.model_copy(update={"cutout": Cutout(size=4, probability=1)})
    zeros = (augmented(some_images(200), always) == 0).all(dim=1).flatten(1).sum(dim=1)
    assert set(zeros.tolist()) <= {4, 6, 8, 9, 12, 16}
    assert 16 in zeros


BLACK = Cutout(probability=1, size=(3, 5), holes=(1, 2), inside=True, fill=0)


def test_order_says_what_comes_first() -> None:
    """A black hole before the colours is brightened with them; after them it is black."""
    steps = {"cutout": BLACK, "brightness_contrast": {"probability": 1, "brightness": 1}}
    first, last = (
        augmented(some_images(300), Augmentation.model_validate({**OFF, **steps, "order": order}))
        for order in (["cutout", "brightness_contrast"], ["brightness_contrast", "cutout"])
    )
    default = augmented(some_images(300), Augmentation.model_validate({**OFF, **steps}))
    assert torch.equal(default, last)
    assert bool((last == 1).flatten(1).any(dim=1).all())
    black = (first == 1).all(dim=1).flatten(1).any(dim=1).float().mean()
    assert 0.3 < float(black) < 0.7, "where the added brightness is below 0"


def test_another_order_draws_the_same_numbers() -> None:
    every = ALL.model_copy(update={"cutout": BLACK})
    turned = every.model_copy(update={"order": tuple(reversed(SINGLE))})
    drawn = []
    for spec in (every, turned):
        augmenter = Augmenter(spec, to_float, height=16, width=16)
        _, *numbers = augmenter.draw(9, 0, 1, epoch_generator(0, 1))
        drawn.append(dict(zip(augmenter.operations, numbers, strict=True)))
    assert list(drawn[0]) == list(reversed(drawn[1]))
    assert all(torch.equal(numbers, drawn[1][stream]) for stream, numbers in drawn[0].items())


def test_cutout_of_the_mean_comes_last_in_any_order() -> None:
    cut = ALL.model_copy(
        update={"order": ("cutout", *(name for name in SINGLE if name != "cutout"))}
    )
    assert torch.equal(augmented(some_images(50), cut), augmented(some_images(50), ALL))


def test_a_pixel_cutout_is_an_operation_like_the_others() -> None:
    """Probability and untouched images are tested of all of them by their names."""
    images = some_images(1500)
    spec = {**OFF, "cutout": BLACK.model_copy(update={"probability": 0.3})}
    changed = augmented(images, Augmentation.model_validate(spec)) != to_float(images)
    assert float(changed.flatten(1).any(dim=1).float().mean()) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cutout": {"size": [6, 3]}}, r"\[6, 3\] falls; write \[3, 6\]"),
        ({"cutout": {"holes": [2, 1]}}, r"\[2, 1\] falls"),
        ({"shift_scale_rotate": {"shift": [0.1, -0.1]}}, r"\[0.1, -0.1\] falls"),
        ({"resized_crop": {"ratio": [2, 1]}}, r"\[2, 1\] falls"),
        ({"affine": {}, "order": ["affine", "cutout"]}, "cutout is not on"),
        ({"affine": {}, "cutout": {}, "order": ["affine"]}, "cutout is on and must stand in it"),
    ],
)
def test_ranges_that_fall_and_orders_that_do_not_fit(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Augmentation.model_validate(settings)


@pytest.mark.parametrize("name", SINGLE)
def test_the_per_image_loader_refuses_all_but_flip_and_crop(name: str) -> None:
    recipe = {"model": "resnet10", "data": "cifar10", "epochs": 1, "loader": "per-image"}
    with pytest.raises(ValidationError, match="the per-image loader does flip and crop only"):
        Recipe.model_validate({**recipe, "augmentation": {name: SINGLE[name]}})


def test_all_changed_and_selected_is_each_group_changed() -> None:
    """What a GPU does, without asking how large a group is, gives what the CPU does."""
    images = some_images(64)
    for name in SINGLE:
        operations = Augmenter(only(name, probability=0.7), to_float, height=16, width=16)
        for operation in operations.operations.values():
            rows = operation.draw(64, epoch_generator(0, 1))
            given = images, rows[:, 0].long(), [operation.apply], rows[:, 1:]
            assert torch.equal(change_all(*given), change_groups(*given))
            for choices in filter(None, [getattr(operation, "choices", None)]):
                chosen = torch.arange(64) % len(choices.groups)
                tables = choices.groups[chosen], choices.changes, choices.numbers[chosen]
                each = change_all(images, *tables)
                assert torch.equal(each, choices.apply(images, chosen))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gives_what_the_cpu_gives() -> None:
    images = some_images(64, 32, 32)
    for name in SINGLE:
        cpu, gpu = (augmented(images, only(name), device=device) for device in ("cpu", "cuda"))
        assert float(((cpu - gpu).abs() > 1).float().mean()) < 0.002
