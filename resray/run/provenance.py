"""Which code plans a command's trials."""

import subprocess
from typing import Any

import ray

Row = dict[str, Any]


def provenance() -> Row:
    """Return the columns of the trials table that say which code plans the trials."""
    return {**git_state(), "ray_version": ray.__version__}


def git_state() -> Row:
    """Return commit and dirty flag of the checkout in the current folder, null if it is none."""
    try:
        commit = git("rev-parse", "HEAD")
        dirty = bool(git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_dirty": None}
    return {"git_commit": commit, "git_dirty": dirty}


def git(*arguments: str) -> str:
    """Return what a git command prints."""
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
