"""Tables in LaTeX, with the rules of the package booktabs; text from results stays text."""

import re
import unicodedata
from collections.abc import Iterable

from resray.export.sheets import Shown

LONG = 40
"""Rows that fit on a page; more are a ``longtable``."""
WIDE = 34
"""Letters of a cell beyond which a column's text is broken into lines."""

_COMMANDS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "`": "{`}",
    "\u00a0": "~", "\u202f": "~", "–": "--", "—": "---", "…": r"\ldots{}",
    "«": r"$\ll$", "»": r"$\gg$", "‘": "`", "’": "'", "“": "``", "”": "''",
    "·": r"$\cdot$", "±": r"$\pm$", "−": "$-$",
    "×": r"$\times$", "≤": r"$\le$", "≥": r"$\ge$", "≈": r"$\approx$", "→": r"$\to$",
    "←": r"$\leftarrow$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "∞": r"$\infty$",
    "Δ": r"$\Delta$", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "ε": r"$\epsilon$",
    "λ": r"$\lambda$", "μ": r"$\mu$", "µ": r"$\mu$", "σ": r"$\sigma$", "°": r"$^\circ$",
    "²": "$^2$", "³": "$^3$", "√": r"$\surd$", "≠": r"$\neq$",
}  # fmt: skip
"""What is not itself in LaTeX, by character."""

_LATIN = re.compile(r"[ -~\u00a1-\u00ff\u0100-\u017f]")
_SPACE = re.compile(r"[ \t\r\n\f\v]+")
_JOINED = re.compile(r"-(?=-)|'(?=')|,(?=,)")
"""Signs of which LaTeX makes one where two stand together."""


def latex(shown: Shown, caption: str, label: str) -> str:
    """Return a table with caption and label; it needs the packages that its first line names."""
    # Columns of text with cells too long for one line.
    wide = [not numeric and any(len(row[place]) > WIDE for row in shown.rows)
            for place, numeric in enumerate(shown.numeric)]  # fmt: skip
    form = "".join(
        "r" if numeric else r">{\raggedright\arraybackslash}p{0.3\linewidth}" if broken else "l"
        for numeric, broken in zip(shown.numeric, wide, strict=True)
    )
    long = len(shown.rows) > LONG
    packages = ["booktabs", *(["array"] if any(wide) else []), *(["longtable"] if long else [])]
    head = f"\\caption{{{escaped(caption)}}}\\label{{tab:{label}}}"
    body = [line(row) for row in shown.rows]
    parts = long_parts(head, form, shown, body) if long else short_parts(head, form, shown, body)
    return "\n".join([f"% \\usepackage{{{','.join(packages)}}}", *parts, ""])


def short_parts(head: str, form: str, shown: Shown, body: list[str]) -> list[str]:
    return [
        r"\begin{table}",
        r"\centering",
        head,
        f"\\begin{{tabular}}{{{form}}}",
        r"\toprule",
        line(shown.titles),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def long_parts(head: str, form: str, shown: Shown, body: list[str]) -> list[str]:
    titles = [r"\toprule", line(shown.titles), r"\midrule"]
    return [
        f"\\begin{{longtable}}{{{form}}}",
        head + r" \\",
        *titles,
        r"\endfirsthead",
        *titles,
        r"\endhead",
        r"\bottomrule",
        r"\endlastfoot",
        *body,
        r"\end{longtable}",
    ]


def line(cells: Iterable[str]) -> str:
    """Return a row; one that begins with a bracket or a star is no option of the row before."""
    text = " & ".join(map(escaped, cells)) + r" \\"
    return "{}" + text if text.startswith(("[", "*")) else text


def escaped(text: str) -> str:
    """Return text on one line that LaTeX sets as it stands.

    Signs that pdfLaTeX has no letter for become their plain counterpart, or a question mark; Latin
    letters with accents stay.
    """
    line = _SPACE.sub(" ", text).strip()
    joined = {match.start() for match in _JOINED.finditer(line)}
    return "".join(letter(sign) + ("{}" if place in joined else "")
                   for place, sign in enumerate(line))  # fmt: skip


def letter(sign: str) -> str:
    if sign in _COMMANDS:
        return _COMMANDS[sign]
    if _LATIN.fullmatch(sign):
        return sign
    plain = unicodedata.normalize("NFKD", sign)
    return "".join(_COMMANDS.get(one, one) for one in plain if " " <= one <= "~") or "?"
