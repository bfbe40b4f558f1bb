"""The command line as a function, for the tests of what it prints and how it ends."""

import re
import sys
from dataclasses import dataclass

import pytest

from resray.cli import main


@dataclass
class Answer:
    """What a command line came to."""

    code: object
    out: str
    err: str


@dataclass
class Resray:
    """The command line as a function."""

    monkeypatch: pytest.MonkeyPatch
    capfd: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Answer:
        self.monkeypatch.setattr(sys, "argv", ["resray", *arguments])
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        out, err = self.capfd.readouterr()
        return Answer(code, out, err)


def assert_refused(answer: Answer, code: int, says: str) -> None:
    assert answer.code == code, answer
    assert re.search(says, answer.err), answer.err
    assert answer.err.count("\n") == 1, "one line, no traceback"
    assert answer.err.startswith("resray: ")
