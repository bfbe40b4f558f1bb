// --- tables as text -----------------------------------------------------------------------------

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

/** Return rows of a table as comma-separated values. */
function csv(table, rows) {
  const columns = csvColumns(table, rows);
  const lines = ["", ...rows].map((_, line) => columns.map((cells) => csvOf(cells[line])).join(","));
  return [...lines, ""].join("\r\n");
}

function csvOf(value) {
  return typeof value === "string" ? csvText(value) : String(value ?? "");
}
