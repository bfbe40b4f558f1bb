// --- tables as text -----------------------------------------------------------------------------

/** What is not itself in LaTeX, by character; resray/export/latex.py has the same. */
const LATEX = {
  "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "$": "\\$", "&": "\\&", "#": "\\#",
  "%": "\\%", "_": "\\_", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}",
  "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", '"': "''", "`": "{`}",
  "\u00a0": "~", "\u202f": "~", "–": "--", "—": "---", "…": "\\ldots{}",
  "«": "$\\ll$", "»": "$\\gg$", "‘": "`", "’": "'", "“": "``", "”": "\'\'",
  "·": "$\\cdot$", "±": "$\\pm$", "−": "$-$", "×": "$\\times$", "≤": "$\\le$", "≥": "$\\ge$",
  "≈": "$\\approx$", "→": "$\\to$", "←": "$\\leftarrow$", "↑": "$\\uparrow$",
  "↓": "$\\downarrow$", "∞": "$\\infty$", "Δ": "$\\Delta$", "α": "$\\alpha$", "β": "$\\beta$",
  "γ": "$\\gamma$", "ε": "$\\epsilon$", "λ": "$\\lambda$", "μ": "$\\mu$", "µ": "$\\mu$",
  "σ": "$\\sigma$", "°": "$^\\circ$", "²": "$^2$", "³": "$^3$", "√": "$\\surd$",
  "≠": "$\\neq$",
};

const AS_SHOWN = " (as shown)";

/**
 * Return the columns of some rows as a spreadsheet takes them, each with its title first: numbers in
 * full, followed by a column of the texts where these say more. `resray export` writes the same.
 */
function csvColumns(table, rows) {
  const columns = [];
  const add = (title, cells) => {
    while (columns.some(([taken]) => taken === title)) title += "'";
    columns.push([title, ...cells]);
  };
  for (const [place, heading] of table.headings.entries()) {
    const title = table.titles[place].replaceAll("\u00a0", " ");
    const texts = table.texts.map((cells) => csvWords(cells[place]));
    const values = heading.classList.contains("number") ? table.values[place] ?? [] : [];
    const numeric = values.some((value) => (value ?? null) !== null);
    if (numeric) add(title, rows.map((row) => values[row] ?? ""));
    if (!numeric || texts.some((text) => text && !isNumber(text)))
      add(numeric ? title + AS_SHOWN : title, rows.map((row) => texts[row]));
  }
  return columns;
}

/** Return a cell's text with ordinary spaces; nothing where it says that there is nothing. */
function csvWords(text) {
  return text === "–" ? "" : text.replaceAll("\u00a0", " ");
}

/** Return whether a text is a number and nothing else; "11.17 M" is one, in short. */
function isNumber(text) {
  const bare = text.replace(/[MGTP ]+$/, "").replaceAll(",", "").replaceAll("−", "-").trim();
  return bare !== "" && !Number.isNaN(Number(bare));
}

function csvText(text) {
  const harmless = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function latexText(text) {
  const line = [...text.replace(/[ \t\r\n\f\v]+/g, " ").replace(/^ | $/g, "")];
  // Of two of these LaTeX makes one sign.
  return line.map((letter, place) => latexLetter(letter) +
    ("-',".includes(letter) && line[place + 1] === letter ? "{}" : "")).join("");
}

/** Return a letter as pdfLaTeX has it: one that it lacks as its plain counterpart, or as "?". */
function latexLetter(letter) {
  if (letter in LATEX) return LATEX[letter];
  if (/^[ -~\u00a1-\u00ff\u0100-\u017f]$/.test(letter)) return letter;
  const plain = [...letter.normalize("NFKD")].filter((one) => one >= " " && one <= "~");
  return plain.map((one) => LATEX[one] ?? one).join("") || "?";
}

/** Return a row; one that begins with a bracket or a star is no option of the row before. */
function latexRow(cells) {
  const text = `${cells.map(latexText).join(" & ")} \\\\`;
  return /^[[*]/.test(text) ? `{}${text}` : text;
}

function markdownText(text) {
  const html = text.replace(/\s+/g, " ").trim()
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return html.replace(/[\\`*_{}[\]|~$]|:(?=\/\/)/g, "\\$&");
}

/** The forms that a table is copied in: each takes the table and the numbers of its rows. */
const FORMS = {
  CSV(table, rows) {
    const columns = csvColumns(table, rows);
    const lines = ["", ...rows].map((_, line) =>
      columns.map((cells) => csvOf(cells[line])).join(","));
    return [...lines, ""].join("\r\n");
  },

  Markdown(table, rows) {
    const line = (cells) => `| ${cells.map(markdownText).join(" | ")} |`;
    const rule = table.headings.map((heading) =>
      (heading.classList.contains("number") ? "---:" : "---"));
    return [line(table.titles), `| ${rule.join(" | ")} |`,
      ...rows.map((row) => line(table.texts[row])), ""].join("\n");
  },

  LaTeX(table, rows) {
    const columns = table.headings.map((heading) =>
      (heading.classList.contains("number") ? "r" : "l")).join("");
    return ["% needs \\usepackage{booktabs}", "\\begin{table}", "\\centering",
      `\\caption{${latexText(table.caption)}}`, `\\begin{tabular}{${columns}}`, "\\toprule",
      latexRow(table.titles), "\\midrule", ...rows.map((row) => latexRow(table.texts[row])),
      "\\bottomrule", "\\end{tabular}", "\\end{table}", ""].join("\n");
  },
};
