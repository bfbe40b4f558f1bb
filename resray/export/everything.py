"""All tables and figures of a report: as a list, or each in a file of one folder."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from textwrap import shorten

from resray.errors import InputError, unknown
from resray.export.figures import AS_SHOWN, Look, drawable_figures, write_figures
from resray.export.formats import (
    ENDINGS,
    FIGURE_FORMATS,
    SUFFIXES,
    TABLE_FORMATS,
    named_format,
    write_file,
    written_sheet,
)
from resray.export.markdown import bullets
from resray.export.sheets import load
from resray.export.tables import all_sheets
from resray.figures.drawing import view_choices
from resray.figures.drawn import caption_of

CONTENTS = "contents.md"
WIDTH = 88
FILE_ENDINGS = (*SUFFIXES, ".htm", ".html", ".pdf", ".tsv", ".txt", ".xlsx", ".zip")
"""Ends of a name by which a file was meant, not a folder."""


def export_all(
    folders: Sequence[Path],
    output: Path,
    *,
    format: str | None = None,
    select: Sequence[str] = (),
    look: Look = AS_SHOWN,
    names: Sequence[str | None] | None = None,
) -> Path:
    """Write every table and figure of a report into a folder, and return the folder.

    Tables are CSV and figures SVG, unless ``format`` is another one of theirs. ``tables/ID.csv``,
    ``figures/ID.svg``, and contents.md with every caption. Stored tables are left out, as they
    are Parquet already. ``names`` are what to call each of several folders. Raises InputError for
    an unknown format, and where the folder cannot be made or written to.
    """
    format = named_format(format)
    if format not in (None, *TABLE_FORMATS, *FIGURE_FORMATS):
        raise InputError(unknown("--format", format, (*TABLE_FORMATS, *FIGURE_FORMATS)))
    results = load(folders, select, names)
    make_folders(output)
    table_format = format if format in TABLE_FORMATS else "csv"
    lines = []
    for name, sheet in all_sheets(results).items():
        if not name.startswith("stored-"):
            path = f"tables/{name}{ENDINGS[table_format]}"
            write_file(output / path, written_sheet(sheet, table_format))
            lines.append(f"{path}: {sheet.caption}")
    figure_format = format if format in FIGURE_FORMATS else "svg"
    figures = {f"figures/{name}{ENDINGS[figure_format]}": figure
               for name, figure in drawable_figures(results).items()}  # fmt: skip
    places = {output / path: figure for path, figure in figures.items()}
    write_figures(results, places, figure_format, look)
    lines += [f"{path}: {caption_of(results, figure)}" for path, figure in figures.items()]
    write_file(output / CONTENTS, bullets(lines))
    return output


def make_folders(output: Path) -> None:
    """Make the folder with those for tables and figures; the folder that it stands in exists."""
    if str(output) == "-" or output.suffix.lower() in FILE_ENDINGS:
        raise InputError(f"--output {output}: `export all` writes a folder of many files; name one")
    if not output.parent.is_dir() or (output.exists() and not output.is_dir()):
        raise InputError(f"--output {output}: must be a folder, in a folder that exists")
    own = [output / "tables", output / "figures"]
    try:
        for folder in (output, *own):
            folder.mkdir(exist_ok=True)
        inside = [output / CONTENTS, *own, *(path for folder in own for path in folder.iterdir())]
    except OSError as error:
        raise InputError(f"--output {output}: cannot be made ({error.strerror})") from error
    if links := [str(path) for path in inside if path.is_symlink()]:
        raise InputError(f"--output {output}: {links[0]} is a link, which may lead out of it")


def listing(
    folders: Sequence[Path],
    select: Sequence[str] = (),
    names: Sequence[str | None] | None = None,
) -> Iterator[str]:
    """Yield lines that name every table and every figure, with the switches of the latter."""
    results = load(folders, select, names)
    short = partial(shorten, width=WIDTH, placeholder=" …")
    yield "Tables (resray export table --name NAME):"
    for sheet in all_sheets(results).values():
        yield f"  {sheet.id:<20} {short(sheet.caption)}"
    yield "Figures (resray export figure --name NAME):"
    for figure in drawable_figures(results).values():
        yield f"  {figure.id:<20} {short(figure.title)}"
        for switch, options in view_choices(figure).items():
            yield f"  {'':<20}   --view '{switch}={' | '.join(options)}'"
