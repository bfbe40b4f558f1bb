"""`resray tune` as users run it: with Ray, in parallel, from the search to the report."""

from pathlib import Path

from rich.console import Console

from resray.results.store import read_table
from resray.run.command import Outcome, run
from resray.run.request import Request, SearchOptions
from resray.run.resources import Shares
from tests.inline_search import RATES, STUDY


def asked(folder: Path, axes: str = RATES) -> Request:
    study = folder / "small.yaml"
    study.write_text(STUDY.format(axes=axes))
    return Request(
        study=str(study),
        search=SearchOptions(settings={"confirm": 1, "audit": 1}),
        shares=Shares(gpus=0, workers=2),
        out=folder,
    )


def tune(wish: Request) -> tuple[Outcome, str]:
    with open(wish.out / "output.txt", "w") as file:
        outcome = run(wish, Console(file=file, width=200))
    return outcome, (wish.out / "output.txt").read_text()


def test_a_search_ends_in_a_tested_winner_and_grows(tmp_path: Path) -> None:
    outcome, output = tune(asked(tmp_path))
    assert outcome.exit_code == 0, output
    assert len(outcome.trials) == 9
    assert outcome.best is not None
    (confirmed,) = outcome.confirmations
    assert confirmed["name"] == outcome.best["name"]
    assert confirmed["test_accuracy"] is not None
    assert all(row["test_accuracy"] is None for row in outcome.trials)
    assert [row["status"] for row in outcome.trials if row["audited"]] == ["completed"]
    assert "of the compute of training every point in full" in output
    page = outcome.report.read_text()
    assert "confirmed" in page
    starts = read_table(outcome.results, "events")["event"].isin(["started", "resumed"]).sum()

    grown, output = tune(asked(tmp_path, RATES.replace("[0.5,", "[0.3, 0.5,")))
    assert grown.skipped == 9
    assert len(grown.trials) == 10
    events = read_table(grown.results, "events")
    new = events["event"].isin(["started", "resumed"]).sum() - starts
    # The new point; if it has won, its confirmation; and the audit has its trial already.
    assert 1 <= new <= 2, output
