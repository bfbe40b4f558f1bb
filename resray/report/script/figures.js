// --- figures ------------------------------------------------------------------------------------

const COLOUR_KEY = /color(scale)?$/i;
const NOT_OF_POINTS = new Set(["colorscale", "range", "domain"]);
const figures = new Map();
// A finger that moves over a plot scrolls the page.
const finger = matchMedia("(pointer: coarse)").matches;
const config = { displayModeBar: false, responsive: true };

/** One figure of the page: its payload is unpacked when it is drawn for the first time. */
class FigureView {
  constructor(element) {
    this.element = element;
    this.id = element.dataset.figure;
    this.panels = [...element.querySelectorAll(".panel")];
    figures.set(this.id, this);
    element.addEventListener("click", (event) => this.press(event));
    element.addEventListener("dblclick", (event) => this.isolate(event));
  }

  async load() {
    if (!this.payload) {
      this.payload = JSON.parse(await unpacked(`figure-${this.id}`));
      this.curves = this.payload.curves.map(curveValues);
    }
  }

  /** Return the option that each switch is at. */
  options() {
    const chosen = figureState(this.id).options;
    return Object.fromEntries(Object.entries(this.payload.switches).map(([name, options]) =>
      [name, options.includes(chosen[name]) ? chosen[name] : options[0]]));
  }

  async draw() {
    await this.load();
    const chosen = this.options();
    this.showControls(chosen);
    const panels = shallow(this.payload.panels, chosen);
    this.matchPanels(panels.length);
    for (const [place, panel] of panels.entries()) {
      const plot = this.prepared(panel, chosen);
      const frame = this.panels[place];
      frame.querySelector("h3").textContent = plot.title;
      const target = frame.querySelector(".plot");
      target.setAttribute("aria-label", plot.title);
      frame.classList.toggle("empty", plot.data.length === 0);
      await Plotly.react(target, plot.data, plot.layout, config);
    }
    this.element.dataset.drawn = "yes";
  }

  /** Return a panel as Plotly takes it: chosen options, colours, and what is not hidden. */
  prepared(panel, chosen) {
    const whole = (value, key) => resolved(value, key, chosen, this.curves);
    const data = shallow(panel.data, chosen).map((trace) => shallow(trace, chosen))
      .filter((trace) => shown(trace.legendgroup))
      .map((trace) => visiblePoints(whole(trace, "")));
    const layout = { ...whole(panel.layout, ""), dragmode: finger ? false : "zoom" };
    for (const axis of figureState(this.id).scales) logarithmic(layout, `${axis}axis`);
    if (layout.meta?.row) layout.height = heightOf(data, layout.meta);
    return { title: whole(panel.title, ""), data, layout };
  }

  /** Have as many places for panels as the chosen options need. */
  matchPanels(count) {
    for (const [place, panel] of this.panels.entries()) panel.hidden = place >= count;
    while (this.panels.length < count) {
      const plot = make("div", { className: "plot" });
      plot.setAttribute("role", "img");
      this.panels.push(make("div", { className: "panel" }, make("h3"), plot));
      this.element.querySelector(".panels").append(this.panels.at(-1));
    }
  }

  showControls(chosen) {
    for (const button of this.element.querySelectorAll("[data-switch]"))
      press(button, chosen[button.dataset.switch] === button.dataset.option);
    for (const button of this.element.querySelectorAll("[data-scale]"))
      press(button, figureState(this.id).scales.has(button.dataset.scale));
    if (page.many) this.showKey();
    for (const button of this.element.querySelectorAll("[data-series]"))
      press(button, !state.hidden.has(button.dataset.series));
  }

  /** Of many series the key names those that are drawn. */
  showKey() {
    const key = this.element.querySelector(".key");
    if (!key || !this.payload.series.some((name) => seriesByKey.has(name))) return;
    const names = this.payload.series.filter((name) => state.drawn.has(name));
    // Buttons that stay keep the focus, and notice the second click of two.
    if (this.named === String(names)) return;
    this.named = String(names);
    const text = `Choose from ${this.payload.series.length.toLocaleString("en")} …`;
    // The same button again: the dialog that it opens gives the focus back to it.
    const choose = key.querySelector(".choose") ??
      make("button", { type: "button", className: "choose", textContent: text });
    key.innerHTML = names.map((name) => seriesByKey.get(name).button).join("");
    key.append(choose);
  }

  press(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const { switch: name, option, scale, series, save: format } = button.dataset;
    const own = figureState(this.id);
    if (name) own.options[name] = option;
    else if (scale) own.scales.has(scale) ? own.scales.delete(scale) : own.scales.add(scale);
    else if (series) return toggle(series);
    else if (format) return savePicture(this, format);
    else if (button.classList.contains("choose")) return chooser.open();
    else return;
    remember();
    due(this, true);
  }

  /** A double click on a series leaves it alone; another one brings the others back. */
  async isolate(event) {
    const series = event.target.closest("[data-series]")?.dataset.series;
    if (!series) return;
    await this.load();
    const others = this.payload.series.filter((key) => key !== series);
    const alone = others.every((key) => !shown(key)) && shown(series);
    for (const key of alone ? others : others.filter(shown))
      state.hidden[alone ? "delete" : "add"](key);
    state.hidden.delete(series);
    redraw();
  }
}

function press(button, pressed) {
  button.setAttribute("aria-pressed", String(pressed));
}

/** Show or hide a series in every figure. */
function toggle(key) {
  state.hidden[state.hidden.has(key) ? "delete" : "add"](key);
  redraw();
}

/** Return a value in which only the choice that it is itself, if it is one, is resolved. */
function shallow(value, chosen) {
  while (value && typeof value === "object" && "$switch" in value) {
    const { $switch: name, $options: options } = value;
    value = chosen[name] in options ? options[chosen[name]] : Object.values(options)[0];
  }
  return value;
}

/** Return a value with the chosen options, curves and colours in place. */
function resolved(value, key, chosen, curves) {
  value = shallow(value, chosen);
  if (typeof value === "string")
    return value[0] === "@" && COLOUR_KEY.test(key) ? colourOf(value) : value;
  if (value === null || typeof value !== "object") return value;
  if ("$curve" in value) return curves[value.$curve];
  if (Array.isArray(value))
    // Only numbers, but for a colour scale's [0.5, "@scale-3"].
    return typeof value[0] === "number" && !COLOUR_KEY.test(key) ? value
      : value.map((item) => resolved(item, key, chosen, curves));
  return Object.fromEntries(Object.entries(value)
    .map(([name, item]) => [name, resolved(item, name, chosen, curves)]));
}

/** Return a trace without the points of series that are hidden. */
function visiblePoints(trace) {
  const keys = trace.meta?.keys;
  const kept = keys?.map(shown);
  if (!keys || kept.every(Boolean)) return trace;
  const cut = (value, name) => {
    if (NOT_OF_POINTS.has(name) || value === null || typeof value !== "object") return value;
    if (Array.isArray(value))
      return value.length === keys.length ? value.filter((_, place) => kept[place]) : value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cut(item, key)]));
  };
  return cut(trace, "");
}

/** Return the height of a plot whose rows are the categories on its vertical axis. */
function heightOf(data, { base, row }) {
  return base + row * Math.max(1, new Set(data.flatMap((trace) => trace.y ?? [])).size);
}

function logarithmic(layout, axis) {
  const { range, rangemode, dtick, tickvals, ...others } = layout[axis] ?? {};
  // Without a format Plotly would write 40 as a small 4.
  layout[axis] = { tickformat: "~g", ...others, type: "log", nticks: 6 };
}

// --- drawing in good time -----------------------------------------------------------------------

const near = new IntersectionObserver((entries) => {
  for (const entry of entries)
    if (entry.isIntersecting && !entry.target.dataset.drawn)
      due(figures.get(entry.target.dataset.figure));
}, { rootMargin: "400px" });

const onPaper = matchMedia("print");
let waiting = [];
let working = null;

/** Draw a figure in its turn: one at a time, so that none is drawn from two states at once. */
function due(figure, first = false) {
  figure.element.setAttribute("aria-busy", "true");
  waiting = waiting.filter((other) => other !== figure);
  waiting[first ? "unshift" : "push"](figure);
  working ??= work().finally(() => { working = null; });
  return working;
}

async function work() {
  while (waiting.length) {
    const figure = waiting.shift();
    // One that cannot be drawn does not keep the others from it.
    await figure.draw().catch(note);
    if (!waiting.includes(figure)) figure.element.removeAttribute("aria-busy");
    // Between two figures the page answers. Paper does not wait for what is drawn later.
    if (!onPaper.matches) await new Promise((resolve) => setTimeout(resolve));
  }
}

/** Draw again what is drawn, the figures in sight first. */
function redraw() {
  remember();
  const drawn = [...figures.values()].filter(({ element }) =>
    element.dataset.drawn || element.ariaBusy);
  const inSight = (figure) => {
    const { top, bottom } = figure.element.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  };
  drawn.sort((one, other) => inSight(other) - inSight(one));
  for (const figure of drawn) due(figure);
  return working;
}

/** Draw what is not drawn yet while the reader reads. */
async function drawRest() {
  const idle = window.requestIdleCallback ?? ((task) => setTimeout(task, 50));
  for (const figure of figures.values()) {
    if (figure.element.dataset.drawn) continue;
    await new Promise((resolve) => idle(resolve, { timeout: 500 }));
    await due(figure);
  }
  root.dataset.drawn = "yes";
}
