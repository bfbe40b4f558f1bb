"""Where the result tables lie: objects under keys, of which five operations are asked."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from resray.files import require_regular, storage_errors, whole_file

WRITING = ".writing"
"""Folder beside the tables' in which files lie until they are whole."""


class Storage(Protocol):
    """Objects of bytes under keys such as ``epochs/part-1.parquet``.

    An object appears whole or not at all, whatever is killed. Operations that change something
    raise StorageError where the disk is full or cannot be written. As text it is where it lies.
    """

    def put(self, key: str, content: bytes) -> None:
        """Write an object, in place of an older one."""

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Write an object unless there is one; return whether it was written."""

    def get(self, key: str) -> bytes:
        """Return an object; FileNotFoundError if there is none, ValueError if it is no file."""

    def list(self, prefix: str) -> list[str]:
        """Return the keys in a folder (``epochs/``) in order, hidden ones left out."""

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""


@dataclass(frozen=True)
class LocalFolder:
    """Storage in a folder of the file system."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def put(self, key: str, content: bytes) -> None:
        """Write a file by rename, once all of it is on the disk."""
        with whole_file(self.path / key, scratch=self.path / WRITING) as file:
            file.write(content)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Write a file by linking it to its name, which fails where there is one."""
        target, whole = self.path / key, self.path / WRITING / Path(key).name
        self.put(f"{WRITING}/{whole.name}", content)
        try:
            target.parent.mkdir(exist_ok=True)
            os.link(whole, target)
        except FileExistsError:
            return False
        except OSError:
            # A file system without links: nothing but the writer's lock keeps out a second one.
            if target.exists():
                return False
            self.put(key, content)
        finally:
            whole.unlink(missing_ok=True)
        return True

    def get(self, key: str) -> bytes:
        """Return a file's bytes; a pipe, which would block for ever, is not waited for."""
        require_regular(self.path / key)
        return (self.path / key).read_bytes()

    def list(self, prefix: str) -> list[str]:
        """Return the names in a folder, without those of folders."""
        try:
            with os.scandir(self.path / prefix) as entries:
                names = [each.name for each in entries if not each.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []
        return sorted(f"{prefix}{name}" for name in names if not name.startswith((".", "_")))

    def delete(self, key: str) -> None:
        """Remove a file."""
        with storage_errors((self.path / key).parent):
            (self.path / key).unlink(missing_ok=True)
