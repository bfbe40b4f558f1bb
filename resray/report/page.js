// Draws the figures in the page's colours, again whenever these change, and serves the buttons.
"use strict";
{
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const state = {};
  const config = {
    displayModeBar: false,
    responsive: true,
  };

  // A finger that moves over a plot scrolls the page.
  const finger = matchMedia("(pointer: coarse)").matches;

  // Problems are kept on the root element, where the tests look for them.
  window.addEventListener("error", (event) => {
    root.dataset.errors = `${root.dataset.errors || ""}${event.message}\n`;
  });

  /** Replace each "@name" under a colour's key by the style sheet's variable --name. */
  function coloured(value, key, style) {
    if (typeof value === "string") {
      const isColour = /color$/i.test(key) && value.startsWith("@");
      return isColour ? style.getPropertyValue("--" + value.slice(1)).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, key, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, coloured(item, name, style)]));
  }

  async function draw(element) {
    const { view, hidden } = state[element.dataset.figure];
    const style = getComputedStyle(root);
    const panels = element.querySelectorAll(".panel");
    for (const [place, plot] of figures[element.dataset.figure][view].entries()) {
      const target = panels[place].querySelector(".plot");
      panels[place].querySelector("h3").textContent = plot.title;
      target.setAttribute("aria-label", plot.title);
      const data = coloured(plot.data, "", style).map((trace) => ({
        ...trace, visible: !hidden.has(trace.legendgroup) }));
      const layout = { ...coloured(plot.layout, "", style), dragmode: finger ? false : "zoom" };
      await Plotly.react(target, data, layout, config);
    }
  }

  async function drawAll() {
    for (const element of document.querySelectorAll("[data-figure]")) await draw(element);
    root.dataset.drawn = "yes";
  }

  function press(element, button) {
    const chosen = state[element.dataset.figure];
    const series = button.dataset.series;
    if (series === undefined) {
      chosen.view = Number(button.dataset.view);
      for (const other of button.parentElement.children)
        other.setAttribute("aria-pressed", String(other === button));
    } else {
      const hide = !chosen.hidden.has(series);
      chosen.hidden[hide ? "add" : "delete"](series);
      button.setAttribute("aria-pressed", String(!hide));
    }
    draw(element);
  }

  for (const element of document.querySelectorAll("[data-figure]")) {
    state[element.dataset.figure] = { view: 0, hidden: new Set() };
    for (const button of element.querySelectorAll("button"))
      button.addEventListener("click", () => press(element, button));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  // Paper is white, whatever the screen was.
  window.addEventListener("beforeprint", () => { root.dataset.theme = "light"; drawAll(); });
  window.addEventListener("afterprint", () => { delete root.dataset.theme; drawAll(); });
  drawAll();
}
