"""Which resray this is: two whose source files differ are never taken for one."""

import hashlib
from importlib.util import find_spec
from pathlib import Path


def installed() -> tuple[str, str]:
    """Return the folder that resray is imported from, and a hash of its source files.

    The hash has 16 hex digits. Raises ImportError if there is no resray.
    """
    spec = find_spec("resray")
    if spec is None or spec.origin is None:
        raise ImportError("has no resray")
    folder = Path(spec.origin).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return str(folder), digest.hexdigest()[:16]


def other_code(folder: str, code: str, node_id: str) -> str | None:
    """Return what tells the resray here from the one in ``folder``; None if they are the same."""
    here, code_here = installed()
    if code_here == code:
        return None
    return (
        f"imports resray from {here} (code {code_here}), but this command from {folder} (code "
        f"{code}); install the same resray on every node"
    )
