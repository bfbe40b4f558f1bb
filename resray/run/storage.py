"""Asking every node of a cluster, before anything starts, for the folders that trials need."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from resray.errors import InputError
from resray.run.nodes import ask_nodes

SHARE_CHECKPOINTS = "checkpoints need --out DIR on storage that every node has under the same path"
SHARE_DATA = "give --data-dir DIR on storage that every node has under the same path"


def check_storage(folder: Path, data_dir: Path | None = None) -> None:
    """Raise ClusterError unless every node that can train reaches ``folder`` and ``data_dir``.

    ``folder`` receives the checkpoints and is made if it is missing. A node reaches it if it reads
    there what this process has written, and this process what the node has: two machines may well
    have a folder each under the same path. ``data_dir`` has to exist. Raises InputError if
    ``folder`` cannot be written here.
    """
    with token_in(folder.resolve()) as token:
        ask_nodes(
            partial(answer, token, data_dir=data_dir and data_dir.resolve()),
            partial(arrived, token),
        )


@contextmanager
def token_in(folder: Path) -> Iterator[Path]:
    """Leave a file in ``folder`` that is in no other; remove it and the answers to it at the end.

    Raises InputError if it cannot be written.
    """
    token = folder / f".reach-{uuid.uuid4().hex}"
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            token.write_text(token.name)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); choose another folder with "
                "--out DIR"
            ) from error
        yield token
    finally:
        for file in folder.glob(f"{token.name}*"):
            file.unlink(missing_ok=True)


def answer(token: Path, node_id: str, data_dir: Path | None) -> str | None:
    """Leave an answer beside the token, from the node; return what keeps it from training."""
    folder = token.parent
    try:
        if not folder.is_dir():
            return f"does not see {folder}; {SHARE_CHECKPOINTS}"
        if not token.exists():
            return f"has another folder at {folder}; {SHARE_CHECKPOINTS}"
        answer_file(token, node_id).write_text(token.read_text())
        if data_dir is not None and not data_dir.exists():
            return f"does not see {data_dir}; copy the data there, or {SHARE_DATA}"
    except OSError as error:
        return f"cannot use {error.filename}: {error.strerror}"
    return None


def answer_file(token: Path, node_id: str) -> Path:
    """Return where a node leaves its answer."""
    return token.with_name(f"{token.name}.{node_id}")


def arrived(token: Path, node_id: str) -> str | None:
    """Return what is wrong if a node's answer is not in the folder here."""
    if answer_file(token, node_id).exists():
        return None
    return f"writes to another folder at {token.parent}; {SHARE_CHECKPOINTS}"
