"""Uploads an exported folder to the Hugging Face hub; nothing else here uses the network."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from resray.errors import InputError, ResrayError
from resray.export.folder import BEST, export_folder
from resray.export.loading import CHECKPOINTS, require_hub_extra

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_ADVICE = {
    401: "not logged in, or the token is not valid; run `hf auth login` or set HF_TOKEN",
    403: "the account may not write there; check the owner's name and the token's permissions",
}


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


def one_line(error: Exception) -> str:
    """Return an error's message on one line of bearable length."""
    return " ".join(str(error).split())[:200] or type(error).__name__
