// --- what the reader has chosen, and its form as an address -------------------------------------

const root = document.documentElement;
const page = JSON.parse(await unpacked("page"));
/** The page's series: the configurations, by key and by label. */
const seriesByKey = new Map(page.series.map((series) => [series.key, series]));
const keyByLabel = new Map(page.series.map((series) => [series.label, series.key]));

/** Objects without a prototype: their keys come from addresses, and "constructor" is one. */
const nothingChosen = () => ({ figures: Object.create(null), tables: Object.create(null) });

const state = { hidden: new Set(), drawn: new Set(page.drawn), ...nothingChosen() };

/** Return whether what belongs to a series is drawn. */
function shown(key) {
  if (key === undefined || key === null) return true;
  return !state.hidden.has(key) && (!seriesByKey.has(key) || state.drawn.has(key));
}

function figureState(id) {
  return (state.figures[id] ??= { options: {}, scales: new Set() });
}

function tableState(id) {
  return (state.tables[id] ??= { query: "", facets: {}, sort: null });
}

const labelOf = (key) => seriesByKey.get(key)?.label ?? key;
const keyOf = (label) => keyByLabel.get(label) ?? label;

/** Return everything that was chosen as the part of an address behind "#". */
function written(section = "") {
  const params = new URLSearchParams();
  for (const key of state.hidden) params.append("hide", labelOf(key));
  const asAtFirst = page.drawn.length === state.drawn.size &&
    page.drawn.every((key) => state.drawn.has(key));
  if (!asAtFirst) for (const key of state.drawn) params.append("draw", labelOf(key));
  for (const [id, { options, scales }] of Object.entries(state.figures)) {
    for (const [name, option] of Object.entries(options)) params.set(`${id}.${name}`, option);
    if (scales.size) params.set(`${id}.log`, [...scales].join(""));
  }
  for (const [id, { query, facets, sort }] of Object.entries(state.tables)) {
    if (query) params.set(`table.${id}.filter`, query);
    for (const [title, value] of Object.entries(facets))
      if (value) params.set(`table.${id}.is.${title}`, value);
    if (sort) params.set(`table.${id}.sort`, (sort.falling ? "-" : "+") + sort.title);
  }
  if (state.baseline) params.set("baseline", state.baseline);
  const text = params.toString();
  return text ? `${section}?${text}` : section;
}

/** Take over what an address says; what it does not name is as at first. Returns the section. */
function read(hash) {
  const [section, text = ""] = splitOnce(hash.replace(/^#/, ""), "?");
  const params = new URLSearchParams(text);
  Object.assign(state, { hidden: new Set(), ...nothingChosen(), baseline: null });
  state.drawn = new Set(params.has("draw") ? params.getAll("draw").map(keyOf) : page.drawn);
  for (const [name, value] of params) {
    if (name === "hide") state.hidden.add(keyOf(value));
    else if (name === "baseline") state.baseline = value;
    else if (name.startsWith("table.")) readTable(name.slice(6), value);
    else if (name.includes(".")) readFigure(name, value);
  }
  return section;
}

function splitOnce(text, separator) {
  const place = text.indexOf(separator);
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + separator.length)];
}

function readFigure(name, value) {
  const [id, key] = splitOnce(name, ".");
  if (key === "log") figureState(id).scales = new Set(value);
  else figureState(id).options[key] = value;
}

function readTable(name, value) {
  const [id, key = ""] = splitOnce(name, ".");
  const table = tableState(id);
  if (key === "filter") table.query = value;
  else if (key === "sort") table.sort = { title: value.slice(1), falling: value[0] === "-" };
  else if (key.startsWith("is.")) table.facets[key.slice(3)] = value;
}

/** Keep the address in step with what was chosen, so that it can be copied at any time. */
function remember() {
  const [section] = splitOnce(location.hash.replace(/^#/, ""), "?");
  // A page in a frame without an address of its own cannot change it.
  try { history.replaceState(null, "", `#${written(section)}`); } catch { /* nothing to keep */ }
}
