"""docs/python.md, run from top to bottom, as somebody would copy it into a notebook."""

import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(python|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sample = ROOT / "reports/sample/basicblock-depth"
    for place in ("reports/sample/basicblock-depth", "results/basicblock-depth"):
        shutil.copytree(sample, place)
    known: dict[str, object] = {}
    for language, text in BLOCK.findall((ROOT / "docs/python.md").read_text()):
        first = text.partition("\n")[0]
        if first.startswith("# ") and first.endswith((".py", ".yaml")):
            Path(first.removeprefix("# ")).write_text(text)
        else:
            assert language == "python"
            exec(compile(text, "docs/python.md", "exec"), known)
