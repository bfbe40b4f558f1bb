"""`resray predict`: the CSV, its labels, and what it must not write over."""

import csv
import io
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from resray.cli import app
from resray.data.dataset import Images
from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.errors import DataError, InputError, StorageError
from resray.evaluate.predict import Predicted, Prediction, run_prediction
from resray.training.restore import load_network
from tests.trained_study import tiny_recipe, train_trial

RECIPE = tiny_recipe()


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The best checkpoints of two seeds."""
    folder = tmp_path_factory.mktemp("trained")
    first, second = (train_trial(folder, "tiny", RECIPE, seed) for seed in (0, 1))
    return folder / "checkpoints" / first / "best.pt", folder / "checkpoints" / second / "best.pt"


@pytest.fixture(scope="module")
def images() -> Images:
    return prepare(open_dataset(RECIPE.data), RECIPE.data).test


@pytest.fixture
def hidden(tmp_path: Path, images: Images) -> Path:
    """Study 5's hidden test set: bytes key, flat HWC rows, no labels."""
    return write_pickle(tmp_path / "hidden.pkl", images)


def write_pickle(path: Path, images: Images, **more: Any) -> Path:
    rows = images.images.permute(0, 2, 3, 1).reshape(len(images), -1).numpy()
    path.write_bytes(pickle.dumps({b"data": rows, **{k.encode(): v for k, v in more.items()}}))
    return path


def predict(checkpoint: Path | tuple[Path, ...], source: Path, **options: Any) -> Predicted:
    several = checkpoint if isinstance(checkpoint, tuple) else (checkpoint,)
    flat = {"order": "hwc"} if source.suffix == ".pkl" else {}
    options = {"output": source.parent / "predictions.csv", **flat, **options}
    return run_prediction(Prediction(several, source, **options), Console(file=io.StringIO()))


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def own_labels(checkpoint: Path, images: Images) -> list[int]:
    """What the network says, by plain PyTorch."""
    restored = load_network(checkpoint)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (restored.mean, restored.std))
    with torch.no_grad():
        logits = restored.network((images.images / 255 - mean) / std)
    return logits.argmax(1).tolist()


def test_the_csv_has_id_and_label(
    checkpoints: tuple[Path, Path], hidden: Path, images: Images
) -> None:
    predicted = predict(checkpoints[0], hidden)
    expected = own_labels(checkpoints[0], images)
    assert predicted.labels.tolist() == expected
    assert predicted.accuracy is predicted.loss is None
    written = (hidden.parent / "predictions.csv").read_text()
    named = [f"{number},{label},pattern {label}\n" for number, label in enumerate(expected)]
    assert written == "ID,Label,Class\n" + "".join(named)
    predict(checkpoints[0], hidden, names=False)
    rows = rows_of(hidden.parent / "predictions.csv")
    assert rows[0] == ["ID", "Label"]
    assert rows[1:] == [[str(number), str(label)] for number, label in enumerate(expected)]
    assert [path.name for path in hidden.parent.iterdir() if path.suffix != ".pkl"] == [
        "predictions.csv"
    ]


def test_names_ids_and_a_folder_of_pictures(
    checkpoints: tuple[Path, Path], tmp_path: Path, images: Images
) -> None:
    folder = tmp_path / "pictures"
    for number in range(6):
        place = folder / f"pattern {int(images.labels[number])}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = images.images[number].permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(place / f"{number}.png")
    predicted = predict(checkpoints[0], folder)
    labels = own_labels(checkpoints[0], images)
    right = [labels[number] == int(images.labels[number]) for number in range(6)]
    assert predicted.accuracy == pytest.approx(100 * sum(right) / 6)
    heading, *rows = rows_of(tmp_path / "predictions.csv")
    assert heading == ["ID", "Label", "Class"]
    assert sorted(rows) == sorted(
        [
            f"pattern {int(images.labels[number])}/{number}.png",
            str(labels[number]),
            f"pattern {labels[number]}",
        ]
        for number in range(6)
    )


def test_labels_that_come_along_are_scored(
    checkpoints: tuple[Path, Path], tmp_path: Path, images: Images
) -> None:
    source = write_pickle(tmp_path / "x.pkl", images, labels=images.labels.tolist())
    console = Console(file=io.StringIO())
    asked = Prediction(checkpoints[:1], source, tmp_path / "x.csv", views=5, order="hwc")
    predicted = run_prediction(asked, console)
    correct = (predicted.labels == images.labels).double().mean().item()
    assert predicted.accuracy == pytest.approx(100 * correct)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{len(images)} images predicted by 5 views: {tmp_path / 'x.csv'}" in text
    assert f"Accuracy {predicted.accuracy:.2f} %" in text


def test_several_checkpoints_are_averaged(
    checkpoints: tuple[Path, Path], hidden: Path, images: Images
) -> None:
    alone = [predict(path, hidden).probabilities for path in checkpoints]
    # A trial's folder stands for its best checkpoint.
    together = predict((checkpoints[0].parent, checkpoints[1]), hidden)
    torch.testing.assert_close(together.probabilities, (alone[0] + alone[1]) / 2)
    assert not torch.equal(alone[0], alone[1])
    torch.testing.assert_close(together.probabilities.sum(1), torch.ones(len(images)).double())


def test_images_of_another_size_come_to_the_networks(
    checkpoints: tuple[Path, Path], tmp_path: Path, images: Images
) -> None:
    doubled = images.images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    np.save(tmp_path / "x.npy", doubled.numpy())
    found = predict(checkpoints[0], tmp_path / "x.npy")
    assert found.labels.tolist() == own_labels(checkpoints[0], images)


def test_the_order_of_flat_rows(
    checkpoints: tuple[Path, Path], tmp_path: Path, images: Images
) -> None:
    np.save(tmp_path / "x.npy", images.images.reshape(len(images), -1).numpy())
    with pytest.raises(DataError, match=r"x\.npy: nothing says how images lie .* --order chw"):
        predict(checkpoints[0], tmp_path / "x.npy")
    found = predict(checkpoints[0], tmp_path / "x.npy", order="chw")
    assert found.labels.tolist() == own_labels(checkpoints[0], images)


def test_neither_input_nor_checkpoint_is_written_over(
    checkpoints: tuple[Path, Path], hidden: Path
) -> None:
    before = hidden.read_bytes()
    link = hidden.with_name("link.csv")
    link.symlink_to(hidden)
    for output in (hidden, link, checkpoints[0], hidden.parent / "x" / ".." / "hidden.pkl"):
        with pytest.raises(InputError, match=r"--output: .* would be written over, or into"):
            predict(checkpoints[0], hidden, output=output)
    with pytest.raises(InputError, match="would be written over, or into"):
        predict(checkpoints[0], hidden.parent, output=hidden.parent / "picture.png")
    assert hidden.read_bytes() == before


def test_a_failure_leaves_the_old_csv(checkpoints: tuple[Path, Path], hidden: Path) -> None:
    old = hidden.parent / "predictions.csv"
    old.write_text("ID,Label\n0,old\n")
    hidden.write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(DataError, match=r"wants 'os\.system', which is not allowed"):
        predict(checkpoints[0], hidden)
    assert old.read_text() == "ID,Label\n0,old\n"


def test_only_what_predict_wrote_is_replaced(checkpoints: tuple[Path, Path], hidden: Path) -> None:
    output, precious = hidden.parent / "predictions.csv", hidden.with_name("notes.txt")
    for mine in ("", "ID,Label\n", "ID,Label,Class\n0,1,cat\n"):
        output.write_text(mine)
        predict(checkpoints[0], hidden)
        assert len(rows_of(output)) > 2
    link = hidden.with_name("link.csv")
    link.symlink_to(precious)
    for theirs in ("my notes", "id,label\n", "ID,Label,Class and more\n", "ID,Label"):
        precious.write_text(theirs)
        for place in (precious, link):
            with pytest.raises(InputError, match="was not written by predict; name another, or"):
                predict(checkpoints[0], hidden, output=place)
        assert precious.read_text() == theirs
    predict(checkpoints[0], hidden, output=link, force=True)
    assert link.is_symlink()
    assert precious.read_text() == output.read_text()


def test_pipes_and_devices_are_written_to(checkpoints: tuple[Path, Path], hidden: Path) -> None:
    pipe = hidden.with_name("pipe")
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as threads:
        reader = threads.submit(pipe.read_text)
        predict(checkpoints[0], hidden, output=pipe)
        assert reader.result(timeout=60).startswith("ID,Label,Class\n0,")
    assert pipe.is_fifo()
    predict(checkpoints[0], hidden, output=Path("/dev/null"))
    with pytest.raises(StorageError, match="no space left on /dev/full"):
        predict(checkpoints[0], hidden, output=Path("/dev/full"))


def test_spreadsheets_run_nothing(
    checkpoints: tuple[Path, Path], tmp_path: Path, images: Images
) -> None:
    names = [
        "=cmd|' /C calc'!A0.png",
        "+1.png",
        "-1.png",
        "@a.png",
        "\tb.png",
        "\rc.png",
        "d=e.png",
    ]
    odd = tmp_path / "odd"
    odd.mkdir()
    pixels = images.images[0].permute(1, 2, 0).numpy()
    # A slash cannot be part of a file's name.
    for name in names:
        Image.fromarray(pixels).save(odd / name.replace("/", "_"))
    Image.fromarray(pixels).save(odd / os.fsdecode(b"\xff.png"))
    checkpoint = torch.load(checkpoints[0], weights_only=True)
    formulas = [f"=HYPERLINK({label})" for label in range(len(checkpoint["class_names"]))]
    torch.save({**checkpoint, "class_names": formulas}, tmp_path / "odd.pt")
    predict(tmp_path / "odd.pt", odd)
    rows = rows_of(tmp_path / "predictions.csv")[1:]
    written = [name.replace("/", "_").replace("\r", r"\r") for name in names]
    expected = {*(f"'{name}" for name in written[:-1]), "d=e.png", r"\udcff.png"}
    assert {identity for identity, _, _ in rows} == expected
    assert {named[:11] for _, _, named in rows} == {"'=HYPERLINK"}
    ids = [-1, 2**63, *["-2"] * (len(images) - 2)]
    source = write_pickle(tmp_path / "x.pkl", images, ids=ids)
    predict(checkpoints[0], source)
    assert [row[0] for row in rows_of(tmp_path / "predictions.csv")][1:4] == [
        "-1",
        str(2**63),
        "'-2",
    ]


def test_numbers_that_name_other_classes_are_warned_of(
    checkpoints: tuple[Path, Path], tmp_path: Path, images: Images
) -> None:
    checkpoint = torch.load(checkpoints[0], weights_only=True)
    names = [str(label) for label in range(len(checkpoint["class_names"]))]
    sources = {
        "numbered": write_pickle(tmp_path / "x.pkl", images, labels=images.labels.tolist()),
        "unlabelled": write_pickle(tmp_path / "y.pkl", images),
    }
    for class_names, label in ((names, None), (["7", *names[1:]], "label 0 is class '7'")):
        torch.save({**checkpoint, "class_names": class_names}, tmp_path / "x.pt")
        for name, source in sources.items():
            for named in (True, False):
                console = Console(file=io.StringIO(), width=200)
                asked = Prediction(
                    (tmp_path / "x.pt",), source, tmp_path / "x.csv", order="hwc", names=named
                )
                run_prediction(asked, console)
                said = console.file.getvalue()  # type: ignore[attr-defined]
                warned = label is not None and (name == "numbered" or not named)
                assert (f"not their labels: {label}" in said) == warned


def test_mistakes_are_named(checkpoints: tuple[Path, Path], hidden: Path, tmp_path: Path) -> None:
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"views": 7}, r"--views: 7 is not possible \(1, 5, 10\)"),
        ({"order": "whc"}, "--order: 'whc' is not known; did you mean 'hwc'"),
        ({"batch_size": 0}, "--batch-size: 0 must be at least 1"),
        ({"output": tmp_path}, "would be written over|must be a file in a folder"),
        ({"output": tmp_path / "no" / "x.csv"}, "must be a file in a folder that exists"),
    ]
    for options, message in mistakes:
        with pytest.raises(InputError, match=message):
            predict(checkpoints[0], hidden, **options)
    with pytest.raises(DataError, match=r"none\.pt: there is no such checkpoint"):
        predict(tmp_path / "none.pt", hidden)
    with pytest.raises(InputError, match="give at least one checkpoint"):
        predict((), hidden)


def test_an_ensemble_needs_the_same_classes(
    checkpoints: tuple[Path, Path], hidden: Path, tmp_path: Path
) -> None:
    checkpoint = torch.load(checkpoints[1], weights_only=True)
    names = ["a", "b", "c", "d"]
    torch.save({**checkpoint, "class_names": names}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt: has other classes \(4, 'a' \.\.\.\) than"):
        predict((checkpoints[0], tmp_path / "other.pt"), hidden)


def test_the_command_line(
    checkpoints: tuple[Path, Path], hidden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hidden.parent)
    command = ["predict", str(checkpoints[0]), hidden.name, "--order", "hwc"]
    headings = {(): "ID,Label,Class", ("--no-names",): "ID,Label", ("--names",): "ID,Label,Class"}
    for options, heading in headings.items():
        assert CliRunner().invoke(app, [*command, *options]).exit_code == 0
        assert Path("predictions.csv").read_text().startswith(f"{heading}\n")
    Path("predictions.csv").write_text("mine")
    refused = CliRunner().invoke(app, command)
    assert "was not written by predict" in str(refused.exception)
    assert CliRunner().invoke(app, [*command, "--force"]).exit_code == 0
    assert "give --order hwc" in str(CliRunner().invoke(app, command[:3]).exception)
