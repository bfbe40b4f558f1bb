"""How often resray's verdicts err, beside how often they say that they do.

    uv run python benchmarks/validity/rates.py [--quick] [--studies 4000] [--only answer crossed]
    uv run python benchmarks/validity/rates.py --write

Simulates studies whose truth is known (models.py) and judges them with the functions that judge
measured ones. A rate is ABOVE its goal, or BELOW the power that is wanted, where it is beyond by
more than two of its Monte Carlo standard errors: then the exit code is 1. Some twenty minutes;
``--quick``, half a minute, takes one case of each verdict that has a goal. ``--write`` puts the
table into RATES.md, which docs/claims.md quotes, and leaves there what ``--only`` does not name.
"""

import argparse
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import chosen
import claimed
import differences
import folders
import images
import models
from rating import HEAD, QUICK, ROOM, Rate, Size

TABLE = Path(__file__).with_name("RATES.md")
VERDICTS: dict[str, Callable[[Size], Iterator[Rate]]] = {
    "answer": differences.answer,
    "rounding": differences.rounding,
    "baseline": differences.baseline,
    "pairs": differences.all_pairs,
    "compare": folders.compared,
    "certain-loss": folders.certain_loss,
    "planned": claimed.planned,
    "agreement": claimed.agreement,
    "ratio": claimed.ratio,
    "choice": claimed.choice,
    "checks": claimed.checks,
    "crossed": images.crossed,
    "crossed-answer": images.crossed_answer,
    "crossed-claims": images.crossed_claims,
    "networks": images.networks,
    "ablation": chosen.ablations,
    "search": chosen.searched,
    "audit": chosen.audits,
    "front": chosen.fronts,
    "reached": folders.reached,
    "intervals": differences.intervals,
    "detectable": differences.detectable,
    "power": differences.power,
}


def simulated(names: Sequence[str], size: Size) -> Iterator[Rate]:
    """Yield the rates of the named verdicts, and print each."""
    print(HEAD)
    for name in names:
        for rate in VERDICTS[name](size):
            print(rate.row, flush=True)
            yield rate


def rows_kept(text: str, simulated: Collection[str]) -> list[str]:
    """Return the rows of a page on other verdicts than these."""
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [row for row in rows if row[2:].partition(" | ")[0] not in simulated]


def page(table: Sequence[str], studies: int) -> str:
    """Return the rows of the table as a page."""
    rows = "\n".join(table)
    return f"""# How often resray's verdicts err

Made by `uv run python benchmarks/validity/rates.py --write`, which says what is simulated:
{studies:,} studies a line (a quarter of them where claims are resampled or on images, and of
`compare`), behind each rate its Monte Carlo standard error. A rate is ABOVE its goal, or BELOW the
power that is wanted, where it is beyond by more than {ROOM} of them. n: seeds of a configuration
(of an audit: points drawn); k: configurations (of a search: points).

Errors: normal; unequal (the first configuration has {models.WIDE:g} times the spread of the
others); skewed (chi-squared with {models.SKEWED} degrees of freedom, its long tail are bad seeds:
the best of many was spared them, so that its spread is too small as well); rounded (to
{models.STEP:g} spreads, as on few images: two seeds may agree by chance, and seem to have no
spread); images ({models.IMAGES:,} test images and the seeds both drawn: two seeds of a recipe
disagree on {models.DISAGREE:g} % of the images, two equal recipes differ on these images by
{models.INTERACTION:g} points, standard deviation, however many seeds they have, and runs differ by
the run sd, in points, besides).

{HEAD}
{rows}
"""


def main() -> int:
    """Simulate what is asked for; return 1 if a rate misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one case of each, half a minute")
    parser.add_argument("--studies", type=int, default=4000, help="studies a line")
    parser.add_argument("--only", nargs="+", choices=VERDICTS, default=list(VERDICTS))
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    asked = parser.parse_args()
    size = QUICK if asked.quick else Size(asked.studies)
    rates = list(simulated(asked.only, size))
    if asked.write:
        kept = rows_kept(TABLE.read_text(), {rate.what for rate in rates})
        TABLE.write_text(page([*kept, *(rate.row for rate in rates)], size.studies))
    missed = [rate for rate in rates if rate.word in ("ABOVE", "BELOW")]
    print(f"{len(missed)} of {len(rates)} rates miss their goal", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
