"""Commands print to whatever there is: ended pipes, few characters, a full disk, nothing at all."""

import os
import subprocess
import sys

import pytest

RESRAY = [sys.executable, "-m", "resray"]
LATIN = {"PYTHONIOENCODING": "latin-1"}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
PRINTING = [
    pytest.param(("list",), id="list"),
    pytest.param(
        ("bench", "depth-family", "--quick", "--dry-run"), id="bench", marks=pytest.mark.slow
    ),
]


def run(shell: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a line of bash in which $R is resray."""
    return subprocess.run(
        ["bash", "-c", shell],
        capture_output=True,
        env={**os.environ, "R": " ".join(RESRAY), **environment},
        timeout=120,
    )


@pytest.mark.parametrize("arguments", PRINTING)
@pytest.mark.parametrize("few", [LATIN, ASCII], ids=["latin-1", "C"])
def test_characters_that_the_output_lacks_are_replaced(
    arguments: tuple[str, ...], few: dict[str, str]
) -> None:
    done = run(f"$R {' '.join(arguments)}", **few)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout) > 500
    text = done.stdout.decode(few.get("PYTHONIOENCODING", "ascii"))
    assert not set("┃│┏╭") & set(text), "boxes are ASCII"


@pytest.mark.parametrize("arguments", PRINTING)
def test_a_reader_that_goes_away_changes_neither_exit_code_nor_errors(
    arguments: tuple[str, ...],
) -> None:
    done = run(f"$R {' '.join(arguments)} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_error_keeps_its_exit_code_where_nobody_reads() -> None:
    assert run("$R show nowhere 2>&1 | true; exit ${PIPESTATUS[0]}").returncode == 2


def test_closed_descriptors_are_no_error() -> None:
    done = run("$R list >&-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert run("$R show nowhere >&- 2>&-").returncode == 2


def test_a_full_disk_is_said_for_what_was_asked_for() -> None:
    done = run("$R list >/dev/full")
    assert done.returncode == 3
    assert done.stderr == (b"resray: what is printed cannot be written (No space left on device)\n")


def test_version() -> None:
    assert run("$R --version").stdout == b"resray 0.1.0\n"


def test_shells_complete_commands() -> None:
    code = "import sys; sys.argv[0] = 'resray'; from resray.cli import main; main()"
    words = {"COMP_WORDS": "resray ben", "COMP_CWORD": "1", "_RESRAY_COMPLETE": "complete_bash"}
    assert run(f'{sys.executable} -c "{code}"', **words).stdout.split() == [b"bench"]
    assert "--install-completion" in run("$R --help", COLUMNS="200").stdout.decode()
