// --- tables as text -----------------------------------------------------------------------------

const LATEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
  "±": "$\\pm$", "−": "$-$", "×": "$\\times$", "–": "--", "\u00a0": "~" };

/** Return a cell as a spreadsheet takes it: the number in full, and no text that is a formula. */
function csvCell(table, row, place) {
  const value = table.values[place]?.[row];
  const text = table.texts[row][place];
  if (value !== undefined && value !== null) return String(value);
  return text === "–" ? "" : csvText(text);
}

function csvText(text) {
  const harmless = /^[=+\-@\t\r]/.test(text) && text.length > 1 ? `'${text}` : text;
  return /[",\n\r]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function latexText(text) {
  return text.replace(/[\\~^±−×–\u00a0&%$#_{}]/g, (letter) => LATEX[letter] ?? `\\${letter}`);
}

function markdownText(text) {
  return text.replace(/[\\|*_`<>[\]]/g, "\\$&").replace(/\s+/g, " ");
}

/** The forms that a table is copied in: each takes the table and the numbers of its rows. */
const FORMS = {
  CSV(table, rows) {
    const lines = rows.map((row) =>
      table.titles.map((_, place) => csvCell(table, row, place)).join(","));
    return [table.titles.map(csvText).join(","), ...lines, ""].join("\r\n");
  },

  Markdown(table, rows) {
    const line = (cells) => `| ${cells.map(markdownText).join(" | ")} |`;
    const rule = table.headings.map((heading) =>
      (heading.classList.contains("number") ? "---:" : "---"));
    return [line(table.titles), `| ${rule.join(" | ")} |`,
      ...rows.map((row) => line(table.texts[row])), ""].join("\n");
  },

  LaTeX(table, rows) {
    const line = (cells) => `${cells.map(latexText).join(" & ")} \\\\`;
    const columns = table.headings.map((heading) =>
      (heading.classList.contains("number") ? "r" : "l")).join("");
    return ["% needs \\usepackage{booktabs}", "\\begin{table}", "\\centering",
      `\\caption{${latexText(table.caption)}}`, `\\begin{tabular}{${columns}}`, "\\toprule",
      line(table.titles), "\\midrule", ...rows.map((row) => line(table.texts[row])),
      "\\bottomrule", "\\end{tabular}", "\\end{table}", ""].join("\n");
  },
};
