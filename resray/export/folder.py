"""Writes what is shared of one trained network into a folder, or uploads it to the hub."""

import os
import re
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from resray.analysis.groups import Row
from resray.analysis.results import Analysis
from resray.errors import DataError, InputError, ResrayError, StorageError, not_known, one_line
from resray.export.card import model_card
from resray.export.facts import Facts, metrics
from resray.export.loading import (
    CARD,
    CHECKPOINTS,
    CONFIG,
    MARK,
    METRICS,
    VERSION,
    WEIGHTS,
    read_config,
    require_hub_extra,
)
from resray.export.pictures import PICTURES, draw_pictures
from resray.files import storage_errors, write_json
from resray.results.rows import own_code_of

if TYPE_CHECKING:
    from resray.training.restore import Restored

BEST = "best"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_ADVICE = {
    401: "not logged in, or the token is not valid; run `hf auth login` or set HF_TOKEN",
    403: "the account may not write there; check the owner's name and the token's permissions",
}
VERSIONS = ("resray_version", "torch_version", "ray_version", "python_version", "git_commit")


def export_folder(
    results: Path,
    folder: Path,
    *,
    select: str | None = None,
    seed: int | None = None,
    checkpoint: str = BEST,
    repository: str | None = None,
    license_name: str | None = None,
    trusted: bool = False,
) -> Path:
    """Write weights, configuration, metrics, pictures and a model card of one trial; return folder.

    The trial is found in a study's ``results`` by name (or id) and seed; ``checkpoint`` is best,
    last or epoch-0010. ``repository`` (OWNER/NAME) is named in the card; ``trusted`` allows to
    build a network of one's own (``module:function``). All checkpoints that the trial kept go into
    ``checkpoints/``. An earlier export in ``folder`` is replaced.

    Raises InputError if no or several trials are meant, the checkpoint is not there, the folder
    holds anything else, or the extra ``hub`` is not installed; DataError for a damaged checkpoint.
    """
    require_hub_extra()
    loaded = Analysis.of(results)
    row = find_trial(loaded, select, seed)
    chosen = find_checkpoint(loaded, row, checkpoint)
    # It imports torch, which takes seconds: mistakes are told before.
    from resray.training.restore import load_network

    restored = load_network(chosen, trusted=trusted, own_code=own_code_of(row))
    facts = Facts(loaded, row, chosen.stem, restored.epoch)
    if facts.at_epoch["epoch"] is None:
        raise InputError(
            f"{chosen}: epoch {restored.epoch} is not in the results yet; run the study again, "
            "which adds what a killed command left out"
        )
    earlier = earlier_export(folder)
    try:
        with storage_errors(folder):
            (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
            # Elsewhere first: what cannot be finished leaves the earlier one as it was.
            with TemporaryDirectory(prefix=".export-", dir=folder) as made:
                write_folder(Path(made), facts, restored, repository, license_name, trusted)
                take_over(Path(made), folder, earlier)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return folder


def earlier_export(folder: Path) -> Collection[str]:
    """Return the names of the checkpoints that an earlier export left in the folder.

    Raises InputError if it holds files and is no export, or if a link leads out of it: nothing of
    the user's is overwritten.
    """
    if (folder / CHECKPOINTS).is_symlink():
        raise InputError(f"{folder / CHECKPOINTS}: is a link; choose a new or an empty folder")
    if not folder.exists() or not any(folder.iterdir()):
        return ()
    try:
        return frozenset(read_config(folder).checkpoints)
    except DataError as error:
        message = f"{folder}: holds other files; choose a new or an empty folder"
        raise InputError(message) from error


def take_over(made: Path, folder: Path, earlier: Collection[str]) -> None:
    """Move what was made into the folder, in place of an earlier export's files."""
    for path in (folder / CHECKPOINTS).glob("*.safetensors"):
        if path.stem in earlier:
            path.unlink()
    for name in PICTURES:
        (folder / name).unlink(missing_ok=True)
    for path in filter(Path.is_file, made.rglob("*")):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(folder / path.relative_to(made))


def write_folder(
    folder: Path,
    facts: Facts,
    restored: "Restored",
    repository: str | None,
    license_name: str | None,
    trusted: bool,
) -> None:
    """Write all files."""
    (folder / CHECKPOINTS).mkdir()
    write_weights(restored, folder / WEIGHTS)
    checkpoints = write_checkpoints(facts.results, facts.row, folder / CHECKPOINTS, trusted)
    config = {
        **configuration(facts, restored),
        "checkpoints": checkpoints,
        "pictures": draw_pictures(facts, folder),
    }
    write_json(folder / CONFIG, config)
    write_json(folder / METRICS, metrics(facts))
    card = model_card(facts, config, repository=repository, license_name=license_name)
    (folder / CARD).write_text(card, encoding="utf-8")


def configuration(facts: Facts, restored: "Restored") -> dict[str, Any]:
    """Return the content of config.json: what is needed to build and to use the network."""
    row = facts.row
    return {
        MARK: VERSION,
        **{key: row[key] for key in ("study", "variant", "name", "seed", "trial_id", "status")},
        "reductions": facts.reductions,
        "checkpoint": facts.checkpoint,
        "epoch": facts.epoch,
        "weights": "moving average" if "ema" in restored.checkpoint else "as trained",
        "class_names": list(restored.class_names),
        "image_size": restored.image_size,
        "mean": list(restored.mean),
        "std": list(restored.std),
        "parameters": row["parameters"],
        "recipe": restored.recipe.model_dump(mode="json"),
        "own_code": own_code_of(row),
        "versions": {key.removesuffix("_version"): row[key] for key in VERSIONS},
    }


def write_checkpoints(results: Analysis, row: Row, folder: Path, trusted: bool) -> dict[str, int]:
    """Write every checkpoint that the trial kept; return each one's epoch by name."""
    from resray.training.restore import load_network

    epochs = {}
    for path in checkpoints_of(results, row):
        restored = load_network(path, trusted=trusted, own_code=own_code_of(row))
        write_weights(restored, folder / f"{path.stem}.safetensors")
        epochs[path.stem] = restored.epoch
    return epochs


def write_weights(restored: "Restored", path: Path) -> None:
    """Write a network's weights; those that it uses in two places are stored once."""
    from safetensors import SafetensorError
    from safetensors.torch import save_model

    try:
        save_model(restored.network, str(path), {"format": "pt", "epoch": str(restored.epoch)})
    except SafetensorError as error:
        raise StorageError(f"{path.name} cannot be written ({error})") from error


def find_trial(results: Analysis, name: str | None, seed: int | None) -> Row:
    """Return the row of the trial with this name (or trial id) and seed; None leaves either open.

    Raises InputError if no trial is meant, or more than one; the message lists them.
    """
    named = [row for row in results.rows if name in (None, row["name"], row["trial_id"])]
    if not named:
        names = {str(row["name"]) for row in results.rows}
        raise InputError(f"--select: {not_known(name, names)}")
    found = [row for row in named if seed in (None, row["seed"])]
    if not found:
        raise InputError(f"--seed: {not_known(seed, {str(row['seed']) for row in named})}")
    if len(found) > 1:
        listed = "; ".join(described(results, row) for row in found)
        raise InputError(
            f"{results.folder}: {len(found)} trials are meant; choose one with --select NAME (or "
            f"its id) and --seed N: {listed}"
        )
    return found[0]


def described(results: Analysis, row: Row) -> str:
    """Return a trial as ``resnet18, seed 0, completed, id 0123456789abcdef``."""
    label = results.labels[row["trial_id"]]
    return f"{label}, seed {row['seed']}, {row['status']}, id {row['trial_id']}"


def find_checkpoint(results: Analysis, row: Row, name: str) -> Path:
    """Return the file of a trial's checkpoint ``best``, ``last`` or ``epoch-0010``.

    Raises InputError if it is not there; the message lists those that are.
    """
    paths = {path.stem: path for path in checkpoints_of(results, row)}
    if not paths:
        raise InputError(f"{described(results, row)}: left no checkpoint, so nothing can be shared")
    if name not in paths:
        raise InputError(f"--checkpoint: {not_known(name, paths)}")
    return paths[name]


def checkpoints_of(results: Analysis, row: Row) -> list[Path]:
    """Return the files of a trial's checkpoints, by name; unfinished ones are passed over."""
    folder = results.folder / "checkpoints" / str(row["trial_id"])
    return sorted(folder.glob("[!.]*.pt"))


# --- the hub, for which alone the network is used -------------------------------------------------


def export_to_hub(
    results: Path,
    repository: str,
    *,
    private: bool = False,
    select: str | None = None,
    seed: int | None = None,
    checkpoint: str = BEST,
    license_name: str | None = None,
    trusted: bool = False,
) -> str:
    """Export one trial as `export_folder` does, upload it to OWNER/NAME, and return its address.

    Raises what `export_folder` raises, and InputError for a name that the hub does not take;
    ResrayError if the hub cannot be reached, nobody is logged in, or the account may not write.
    """
    require_hub_extra()
    check_repository(repository)
    with TemporaryDirectory(prefix="resray-export-") as temporary:
        folder = export_folder(
            results,
            Path(temporary),
            select=select,
            seed=seed,
            checkpoint=checkpoint,
            repository=repository,
            license_name=license_name,
            trusted=trusted,
        )
        return upload(folder, repository, private=private)


def check_repository(repository: str) -> None:
    """Raise InputError unless ``repository`` is a name that the hub takes."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    problem = "expected OWNER/NAME" if not _REPOSITORY.fullmatch(repository) else None
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        problem = problem or one_line(error)
    if problem:
        raise InputError(f"--hub {repository!r}: {problem}")


def upload(folder: Path, repository: str, *, private: bool) -> str:
    """Make the repository if it is new, put the folder's files there, and return its address.

    Checkpoints of an earlier upload that the folder does not hold are removed; all else stays. The
    hub keeps every earlier version. An existing repository stays as public as it is.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    api = HfApi()
    try:
        address = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message="Upload from resray export",
            delete_patterns=f"{CHECKPOINTS}/*.safetensors",
        )
    except (OSError, HTTPError) as error:
        raise ResrayError(f"--hub {repository}: {reason(error)}") from error
    return str(address)


def reason(error: Exception) -> str:
    """Return why the hub refused or could not be reached."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in _ADVICE:
        return _ADVICE[status]
    if status is not None:
        return f"the hub answered {status} ({one_line(error)})"
    return f"the hub cannot be reached ({one_line(error)})"
