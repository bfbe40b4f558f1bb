// --- tables -------------------------------------------------------------------------------------

const PAGE = 100;
const MANY_ROWS = 8;
/** Of more values than these, a column is filtered by typing. */
const MOST_FACETS = 40;
const tables = new Map();

/** A table of the page: sorted by its headings, filtered, copied. */
class TableView {
  constructor(element) {
    this.element = element;
    this.id = element.id.replace(/^table-/, "");
    this.body = element.querySelector("tbody");
    this.headings = [...element.querySelectorAll("thead th")];
    this.titles = this.headings.map((heading) => heading.textContent);
    this.caption = element.querySelector("caption").textContent;
    this.count = Number(element.dataset.rows);
    this.limit = PAGE;
    tables.set(this.id, this);
    this.addSorting();
    this.addTools();
  }

  /** Take the rows, all of them: from the page or, of a long table, from what is packed in it. */
  async load() {
    if (this.rows) return;
    const packed = await unpacked(`table-${this.id}`);
    Object.assign(this, packed ? JSON.parse(packed) : this.inPage());
    this.words = this.texts.map((cells) => cells.join("\n").toLowerCase());
  }

  inPage() {
    const rows = [...this.body.rows];
    const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent));
    const values = {};
    for (const [place, heading] of this.headings.entries())
      if (heading.classList.contains("number"))
        values[place] = rows.map((row) => numberIn(row.cells[place]));
    return { rows: rows.map((row) => row.outerHTML), texts, values };
  }

  addSorting() {
    if (this.count < 2) return;
    for (const [place, heading] of this.headings.entries()) {
      const button = make("button", { type: "button", className: "sort" }, ...heading.childNodes);
      button.addEventListener("click", () => this.sortBy(place));
      heading.replaceChildren(button);
    }
  }

  addTools() {
    const tools = make("div", { className: "tools" });
    if (this.count >= MANY_ROWS) {
      this.query = make("input", { type: "search", placeholder: "Filter rows",
        ariaLabel: `Filter rows of: ${this.caption}` });
      this.query.addEventListener("input", () => this.filter());
      this.facets = this.headings.flatMap((heading, place) =>
        heading.dataset.facet === undefined ? [] : [this.facet(place)]);
      this.told = make("output", { ariaLive: "polite" });
      this.draw = make("button", { type: "button", hidden: true, textContent: "Draw only these" });
      this.draw.addEventListener("click", () => this.drawThese());
      tools.append(this.query, ...this.facets, this.told, this.draw);
    }
    tools.append(this.copyMenu());
    this.element.prepend(tools);
    this.more = make("button", { type: "button", className: "more", hidden: true });
    this.more.addEventListener("click", () => { this.limit *= 10; this.show(); });
    this.element.append(this.more);
    this.tell(this.count, Math.min(this.count, PAGE));
  }

  /** Return a list of a column's values to choose from; it is filled when it is needed first. */
  facet(place) {
    const title = this.titles[place];
    const list = make("select", { ariaLabel: `Only where ${title} is`, data: { place } },
      make("option", { value: "", textContent: `${title}: all` }));
    const fill = async () => {
      await this.load();
      if (list.options.length > 1) return;
      const values = [...new Set(this.texts.map((cells) => cells[place]))].sort(inOrder);
      for (const value of values.slice(0, MOST_FACETS))
        list.append(make("option", { value, textContent: value || "–" }));
      list.value = tableState(this.id).facets[title] ?? "";
    };
    list.addEventListener("focus", fill);
    list.addEventListener("pointerenter", fill);
    list.addEventListener("change", () => this.filter());
    list.fill = fill;
    return list;
  }

  copyMenu() {
    const menu = make("details", { className: "menu" }, make("summary", { textContent: "CSV" }));
    const copied = async () => copy(csv(this, await this.chosen()), "The table as CSV");
    const saved = async () =>
      save(`${page.name}-${this.id}.csv`, csv(this, await this.chosen()), "text/csv");
    const items = Object.entries({ Copy: copied, Download: saved }).map(([textContent, use]) => {
      const button = make("button", { type: "button", textContent });
      button.addEventListener("click", use);
      return button;
    });
    menu.append(make("div", {}, ...items));
    return menu;
  }

  async filter() {
    const own = tableState(this.id);
    own.query = this.query.value;
    for (const list of this.facets) own.facets[this.titles[list.dataset.place]] = list.value;
    this.limit = PAGE;
    await this.show();
    remember();
  }

  async sortBy(place) {
    const own = tableState(this.id);
    const title = this.titles[place];
    const numeric = this.headings[place].classList.contains("number");
    // Numbers begin with the largest, words with A; a third press brings back the first order.
    if (own.sort?.title !== title) own.sort = { title, falling: numeric };
    else if (own.sort.falling === numeric) own.sort = { title, falling: !numeric };
    else own.sort = null;
    await this.show();
    remember();
  }

  /** Return the numbers of the rows that pass the filters, in the chosen order. */
  async chosen() {
    await this.load();
    const { query, facets, sort } = tableState(this.id);
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = Object.entries(facets).filter(([, value]) => value)
      .map(([title, value]) => [this.titles.indexOf(title), value])
      .filter(([place]) => place >= 0);
    const found = this.rows.flatMap((_, row) =>
      words.every((word) => word[0] === "-" && word.length > 1
        ? !this.words[row].includes(word.slice(1)) : this.words[row].includes(word)) &&
      wanted.every(([place, value]) => this.texts[row][place] === value) ? [row] : []);
    return sort ? this.sorted(found, this.titles.indexOf(sort.title), sort.falling) : found;
  }

  /** Sort rows; what has no value comes last in either direction. */
  sorted(rows, place, falling) {
    const values = this.values[place] ?? this.texts.map((cells) => wordsIn(cells[place]));
    const compare = this.values[place] ? (one, other) => one - other : inOrder;
    const direction = falling ? -1 : 1;
    return rows.sort((one, other) => {
      const [left, right] = [values[one] ?? null, values[other] ?? null];
      if (left === null || right === null) return (left === null) - (right === null);
      return direction * compare(left, right);
    });
  }

  async show() {
    const rows = await this.chosen();
    this.body.innerHTML = rows.slice(0, this.limit).map((row) => this.rows[row]).join("");
    this.tell(rows.length, Math.min(rows.length, this.limit));
    const { sort } = tableState(this.id);
    for (const [place, heading] of this.headings.entries()) {
      heading.removeAttribute("aria-sort");
      if (sort?.title === this.titles[place])
        heading.setAttribute("aria-sort", sort.falling ? "descending" : "ascending");
    }
    this.element.dataset.shown = rows.length;
  }

  /** Say how many rows there are, pass the filters, and stand in the page. */
  tell(passing, standing) {
    const number = (value) => value.toLocaleString("en");
    this.more.hidden = standing >= passing;
    this.more.textContent = `${number(passing - standing)} more rows: show ` +
      `${number(Math.min(passing, this.limit * 10) - standing)}`;
    if (!this.told) return;
    const all = `${number(this.count)} rows`;
    this.told.textContent = passing === this.count ? all : `${number(passing)} of ${all}`;
    this.draw.hidden = passing === this.count || !passing || !page.series.length ||
      !keyByLabel.has(this.texts[0][0]);
  }

  /** Let the figures show the configurations of the rows that pass the filters, and no others. */
  async drawThese() {
    const labels = new Set((await this.chosen()).map((row) => this.texts[row][0]));
    drawOnly([...labels].map((label) => keyByLabel.get(label)).filter(Boolean));
  }

  /** Bring the table to what the address says. */
  async restore() {
    const { query, facets, sort } = tableState(this.id);
    this.limit = PAGE;
    if (this.query) this.query.value = query;
    for (const list of this.facets ?? []) {
      const value = facets[this.titles[list.dataset.place]];
      if (value) await list.fill();
      list.value = value ?? "";
    }
    const changed = query || sort || Object.values(facets).some(Boolean);
    if (changed || this.element.dataset.shown) await this.show();
  }
}

const collator = new Intl.Collator("en", { numeric: true });
const inOrder = (one, other) => collator.compare(one, other);

const wordsIn = (text) => (text === "" || text === "–" ? null : text);

function numberIn(cell) {
  const text = cell.dataset.value ?? (cell.tagName === "TH" ? cell.textContent : "");
  return text === "" || Number.isNaN(Number(text)) ? null : Number(text);
}

// --- the choice of a baseline -------------------------------------------------------------------

/** Show the table of differences to the chosen baseline. */
function showBaseline() {
  for (const list of document.querySelectorAll("[data-baselines]")) {
    const labels = [...list.options].map((option) => option.value);
    const chosen = labels.includes(state.baseline) ? state.baseline : labels[0];
    list.value = chosen;
    for (const part of document.querySelectorAll("[data-baseline]"))
      part.hidden = part.dataset.baseline !== chosen;
  }
}
