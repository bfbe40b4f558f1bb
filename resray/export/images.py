"""Plotly figures as PNG or SVG, drawn by the machine's Chrome or Chromium through kaleido."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

from resray.errors import ClusterError, InputError

IMAGE_FORMATS = ("png", "svg")
SECONDS = 120
"""For one picture, on a busy machine."""
HINT = "without it, --format json and csv write what a figure is drawn from"


def draw_images(
    plots: Iterable[tuple[str, dict[str, Any]]],
    format: str,
    scale: float,
    use: Callable[[str, bytes], object],
) -> None:
    """Draw each of the named Plotly figures and hand its name and the file's bytes to ``use``.

    One browser draws them all; it loads nothing from anywhere. ``scale`` is how many pixels a PNG
    has for one of the layout. Raises InputError if kaleido or a browser is not installed,
    ClusterError if the browser fails.
    """
    if find_spec("kaleido") is None:
        raise InputError(f'pictures need kaleido; pip install "resray[images]"; {HINT}')
    from choreographer import errors
    from kaleido.errors import KaleidoError

    options = {"format": format, "scale": scale}
    try:
        _run(_draw(plots, options, use))
    except errors.ChromeNotFoundError:
        raise InputError(
            "pictures need Chrome or Chromium, which is not found; install it (Debian's package "
            f"chromium) or set BROWSER_PATH to its file; {HINT}"
        ) from None
    # A browser that ends at once may close its channel before that is noticed.
    except (errors.BrowserFailedError, errors.BrowserClosedError, errors.BrowserDepsError,
            errors.ChannelClosedError, KaleidoError, TimeoutError) as error:  # fmt: skip
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(f"the browser that draws pictures failed: {reason}; {HINT}") from error


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end, also where an event loop is running already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


async def _draw(
    plots: Iterable[tuple[str, dict[str, Any]]],
    options: dict[str, Any],
    use: Callable[[str, bytes], object],
) -> None:
    from kaleido import Kaleido

    # MathJax would be asked of a server; nothing here is written in it.
    async with Kaleido(mathjax=False, timeout=SECONDS) as browser:
        for name, plot in plots:
            use(name, await browser.calc_fig(plot, opts=options))
