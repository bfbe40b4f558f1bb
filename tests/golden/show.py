"""What `resray show` prints of all shipped studies, as the files in `show/` keep it."""

from pathlib import Path
from unittest.mock import patch

from typer.testing import CliRunner

from resray.cli import app
from resray.study.load import load_study, study_files

FOLDER = Path(__file__).with_suffix("")
TERMINAL = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
SPEED = 1e12
"""Operations per second of the machine for which the rough times are reckoned."""


def shown(name: str) -> str:
    """Return each command line about a study, and what it prints: plain, variants, --quick."""
    _, *others = load_study(name).variant_names
    ways = [[], *(["--variant", variant] for variant in others), ["--quick"]]
    return "\n".join(f"$ {' '.join(line)}\n{printed(*line)}" for line in
                     (["resray", "show", name, *way] for way in ways))  # fmt: skip


def printed(_: str, *arguments: str) -> str:
    with (
        patch("resray.cli.show.study.probe", lambda recipe: SPEED),
        patch("torch.cuda.is_available", lambda: False),
    ):
        done = CliRunner().invoke(app, arguments, env=TERMINAL, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return "\n".join(line.rstrip() for line in done.output.splitlines()) + "\n"


def file(name: str) -> Path:
    return FOLDER / f"{name}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in study_files():
        file(each).write_text(shown(each))
