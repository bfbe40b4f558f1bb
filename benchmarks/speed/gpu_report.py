"""What `gpu.py` stored, as a page of tables: the files of both calls, and README.md beside them.

    uv run python benchmarks/speed/gpu_report.py DIR... --out reports/h200

Every file keeps every row; the page has the last epoch of a training, the median of turns, and what
failed.
"""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from resray.export.markdown import Markdown, table

COLUMNS = {
    "rate": ["precision", "flops"],
    "training": ["study", "trial", "data", "train_images", "epochs", "step", "precision", "batches",
                 "test_accuracy", "test_accuracy_best", "seconds_per_epoch", "images_per_second",
                 "utilisation", "seconds_since_start"],
    "speed": ["network", "step", "precision", "batch_size", "images_per_second", "lowest",
              "highest", "n", "utilisation", "seconds_compiling", "peak_memory_bytes"],
    "peers": ["network", "peer", "resray", "speed", "ratio", "lowest", "highest", "n"],
    "packing": ["trials", "images_per_second", "slowest", "fastest"],
    "loaders": ["resray", "airbench", "ratio", "lowest", "highest", "n"],
    "pair": ["trial", "train_images", "epochs", "test_accuracy", "seconds_per_epoch",
             "images_per_second"],
}  # fmt: skip
"""Of each kind of measurement, in order."""
TITLES = {
    "rate": "Matrix products",
    "training": "Trainings",
    "speed": "Speed of a step, by network and form",
    "peers": "`fit()` beside other training loops, in turns",
    "packing": "resnet18 trials that share the GPU",
    "loaders": "resray's loader beside one in airbench's style, in turns, images/s",
    "pair": "resnet10-speed as its author ran it",
}
TOY = " Networks and images of a toy: none of these figures means anything."


def main() -> None:
    """Copy the files of the calls and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for path in (path for folder in asked.folders for path in sorted(folder.glob("*.parquet"))):
        if path.parent.resolve() != asked.out.resolve():
            shutil.copyfile(path, asked.out / path.name)
    (asked.out / "README.md").write_text("\n".join(page(asked.out)))


def page(folder: Path) -> Iterator[str]:
    """Yield the parts of the page."""
    frames: dict[str, list[pd.DataFrame]] = {kind: [] for kind in COLUMNS}
    for path in sorted(folder.glob("*.parquet")):
        frames[path.stem.split("-")[0]].append(pd.read_parquet(path))
    everything = pd.concat([frame for kind in frames.values() for frame in kind])
    first = everything.dropna(subset=["device"]).sort_values("at").iloc[0]
    versions = f"torch {first['torch_version']}, {first['at']:%d %B %Y}, `benchmarks/speed/gpu.py`."
    yield f"# resray on {first['device']}\n"
    yield f"{versions}{TOY if first['tiny'] else ''}\n"
    rates = pd.concat(frames["rate"]) if frames["rate"] else pd.DataFrame()
    for kind, title in TITLES.items():
        if frames[kind]:
            measured = pd.concat(frames[kind])
            measured = measured[measured["error"].isna()]
            lines = [summary(kind, each, rates) for _, each in grouped(kind, measured)]
            yield f"## {title}\n"
            yield as_table(pd.DataFrame(lines), COLUMNS[kind])
    if len(failed := everything[everything["error"].notna()]):
        yield "## What failed or was not begun\n"
        yield as_table(failed, ["measurement", "error"])


def grouped(kind: str, frame: pd.DataFrame) -> Iterator[tuple[object, pd.DataFrame]]:
    """Yield what belongs on one line of the page."""
    by = {"rate": "precision", "peers": "peer", "packing": "trials"}.get(kind, "measurement")
    yield from frame.groupby(by, sort=False)


def summary(kind: str, rows: pd.DataFrame, rates: pd.DataFrame) -> pd.Series:
    """Return one line from its rows: the last one, with what they come to together."""
    line = rows.iloc[-1].copy()
    if kind in ("training", "pair"):
        line["epochs"] = f"{len(rows)} of {line['epochs']}" if "epochs" in rows else len(rows)
        line["test_accuracy_best"] = rows["test_accuracy"].max()
        line["seconds_per_epoch"] = rows["seconds_training"].median()
        line["images_per_second"] = rows["images_per_second"].median()
    if kind == "training" and len(rates):
        rate = rates[rates["precision"] == line["precision"]]["flops"]
        if len(rate):
            work = 6 * line["multiply_adds"] * line["images_per_second"]
            line["utilisation"] = work / rate.iloc[0]
    if kind in ("peers", "loaders"):
        line["lowest"], line["highest"] = rows["ratio"].min(), rows["ratio"].max()
        line["n"] = len(rows)
        for name in set(COLUMNS[kind]) & {"resray", "speed", "airbench", "ratio"}:
            line[name] = rows[name].median()
    return line


def as_table(frame: pd.DataFrame, columns: list[str]) -> Markdown:
    """Return the columns that there are."""
    shown = [name for name in columns if name in frame]
    rows = [[cell(line[name]) for name in shown] for _, line in frame.iterrows()]
    return table([name.replace("_", " ") for name in shown], rows)


def cell(value: object) -> str | None:
    """Return a value with four digits."""
    if isinstance(value, float):
        return None if pd.isna(value) else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return None if value is None else str(value)


if __name__ == "__main__":
    main()
