"""Whatever results hold, a whole page comes of them in which text stays text."""

import json
import re
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from resray.report import write_report
from tests.page_reader import Outline, packed_in, without_packed
from tests.random_results import RandomResults, results
from tests.report_builder import trial, write_results

STUDY = Path(__file__).parent.parent / "benchmarks" / "depth-family.yaml"
MARKUP = re.compile(r"<(script|img|iframe|a)[\s/>]", re.IGNORECASE)
"""What Plotly's texts never hold; bold type and line breaks they do."""


def written(made: RandomResults) -> str:
    """Return the page of results."""
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder, "results"), STUDY)
        page = write_report(Path(folder, "results"), Path(folder, "page.html"))
        return page.read_text(encoding="utf-8")


def scripts_in(html: str) -> int:
    return len(re.findall("<script", without_packed(html)))


def scripts_of_a_page() -> int:
    with tempfile.TemporaryDirectory() as folder:
        write_results(Path(folder, "results"), [trial()])
        page = write_report(Path(folder, "results"), Path(folder, "page.html"))
        return scripts_in(page.read_text(encoding="utf-8"))


def refuse(constant: str) -> None:
    raise ValueError(f"a browser reads no {constant}")


def plotly_texts(value: Any, drawn: bool = False) -> Iterator[str]:
    """Yield the texts that Plotly gets; titles and options are set as text by the page's script."""
    if isinstance(value, str) and drawn:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from plotly_texts(item, drawn)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from plotly_texts(item, drawn or key in ("data", "layout"))


@settings(
    max_examples=40,
    deadline=timedelta(seconds=20),
    derandomize=True,
    # Pages take too long for hundreds of smaller ones to be tried.
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(results())
def test_any_results_give_a_whole_page(made: RandomResults) -> None:
    html = written(made)
    outline = Outline(html)
    assert len(outline.ids) == len(set(outline.ids))
    inner = {address[1:] for address in outline.addresses if address.startswith("#")}
    assert inner <= set(outline.ids)
    assert all(address.startswith(("#", "data:")) for address in outline.addresses)
    assert scripts_in(html) == scripts_of_a_page()
    for name, text in packed_in(html).items():
        if name.startswith("figure-"):
            payload = json.loads(text, parse_constant=refuse)
            assert not any(MARKUP.search(drawn) for drawn in plotly_texts(payload["panels"]))
