"""docs/schema.md says what resray/results/schema.py does."""

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from resray.results.schema import TABLES, VERSION, VERSION_KEY
from resray.results.store import ResultStore

DOCUMENT = (Path(__file__).parent.parent / "docs" / "schema.md").read_text()


@pytest.mark.parametrize("table", TABLES)
def test_every_column_stands_in_the_document(table: str) -> None:
    section = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{table}\n")]
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (.+) \|$", text, flags=re.MULTILINE)
    expected = [(name, str(kind), meaning) for name, (kind, meaning) in TABLES[table].items()]
    assert rows == expected


def test_documented_version_and_ways_to_read(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "depth-family")
    store.put_trial({"trial_id": "a", "name": "resnet18", "status": "completed"})
    store.put_epochs("a", [{"trial_id": "a", "epoch": 1}, {"trial_id": "a", "epoch": 2}])
    store.compact()
    metadata = pq.read_schema(tmp_path / "depth-family" / "trials" / "trials.parquet").metadata
    assert metadata[VERSION_KEY].decode() == str(VERSION)
    assert f"`{VERSION_KEY.decode()}` (now {VERSION})" in DOCUMENT
    trials = pd.read_parquet(tmp_path / "depth-family" / "trials")
    epochs = pd.read_parquet(tmp_path / "depth-family" / "epochs")
    joined = epochs.merge(trials[["trial_id", "status"]], on="trial_id")
    assert len(joined.query("status == 'completed'")) == 2
