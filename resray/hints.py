"""Commands that resray tells people to type, as they can be typed."""

import shlex


def command(*words: object, data_dir: str | None = None, trust: bool = False) -> str:
    """Return ``resray bench 'my study.yaml' --data-dir /data``."""
    options = ["--data-dir", data_dir] if data_dir else []
    return shlex.join(["resray", *map(str, words), *options, *["--trust"] * trust])
