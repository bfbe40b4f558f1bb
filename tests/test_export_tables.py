"""Every epoch as a table: it opens in a spreadsheet, and text in it stays text."""

import json
from pathlib import Path

import pandas as pd
import pytest

from resray.errors import InputError
from resray.export.markdown import table
from resray.export.tables import export_table
from tests.report_builder import epochs_of, trial, write_results


def test_epochs_open_in_a_spreadsheet(tmp_path: Path) -> None:
    rows = [trial(name=name, epochs=3, model="resnet50") for name in ("plain", "shared")]
    rows[1] |= {"reductions": '["3 of 9 epochs"]', "exclusive": False}
    results = write_results(tmp_path / "r", rows)
    path = export_table(results, tmp_path / "epochs.csv")
    frame = pd.read_csv(path)
    columns = ["model", "epoch", "train_loss", "test_accuracy", "iterations_per_second"]
    assert list(frame.columns[:6]) == [*columns, "epoch_seconds"]
    assert frame[["trial", "epoch"]].values.tolist() == [
        [name, epoch] for name in ("plain", "shared") for epoch in (1, 2, 3)
    ]
    second = epochs_of(rows[0])[1]
    assert frame.loc[1, "model"] == "resnet50"
    assert frame.loc[1, "train_loss"] == round(second["train_loss"], 4)
    assert frame.loc[1, "iterations_per_second"] == round(second["images_per_second"] / 128, 3)
    assert frame.loc[1, "epoch_seconds"] == round(second["seconds_training"], 3)
    assert frame["exclusive"].tolist() == [True] * 3 + [False] * 3
    assert frame["reduced"].fillna("").tolist() == [""] * 3 + ["3 of 9 epochs"] * 3


def test_some_trials_are_chosen_and_mistakes_are_told(tmp_path: Path) -> None:
    rows = [trial(name=name, epochs=1) for name in ("plain", "shared")]
    results = write_results(tmp_path / "r", rows)
    only = export_table(results, tmp_path / "only.csv", select=["sh*"])
    assert set(pd.read_csv(only)["trial"]) == {"shared"}
    with pytest.raises(InputError, match="--select: 'nothing' is not known"):
        export_table(results, tmp_path / "only.csv", select=["nothing"])
    with pytest.raises(InputError, match="--format: 'cvs' is not known; did you mean 'csv'"):
        export_table(results, tmp_path / "only.csv", format="cvs")
    with pytest.raises(InputError, match="must be a file in a folder that exists"):
        export_table(results, tmp_path / "new" / "only.csv")


HOSTILE = '=HYPERLINK("http://x","a|b")\n<script>_&%$\\'


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    rows = [trial(name=HOSTILE, device="@SUM(A1)", epochs=2), trial(name="+1", epochs=2)]
    results = write_results(tmp_path / "r", rows)
    csv = pd.read_csv(export_table(results, tmp_path / "t.csv"))
    assert set(csv["trial"]) == {f"'{HOSTILE}", "'+1"}
    assert "'@SUM(A1)" in set(csv["device"])
    content = json.loads(export_table(results, tmp_path / "t.json", format="json").read_text())
    assert HOSTILE in {row["trial"] for row in content}
    markdown = export_table(results, tmp_path / "t.md", format="markdown").read_text()
    assert "<script>" not in markdown
    assert len({line.replace("\\|", "").count("|") for line in markdown.splitlines()}) == 1
    latex = export_table(results, tmp_path / "t.tex", format="latex").read_text()
    assert r"\_\&\%\$\textbackslash" in latex


def test_a_markdown_table_says_what_is_missing() -> None:
    assert table(["a"], [[None], ["x"]]) == "| a |\n| --- |\n| – |\n| x |\n"
