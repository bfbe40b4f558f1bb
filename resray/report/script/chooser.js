// --- which of many configurations are drawn -----------------------------------------------------

const MOST_LISTED = 200;

const chooser = {
  dialog: document.getElementById("chooser"),

  open() {
    this.dialog.querySelector("input").value = "";
    this.list("");
    this.dialog.showModal();
  },

  /** List the configurations whose label has every word that was typed. */
  list(query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const found = page.series.filter(({ label }) =>
      words.every((word) => label.toLowerCase().includes(word)));
    this.found = found.length;
    this.tell();
    this.dialog.querySelector(".list").replaceChildren(...found.slice(0, MOST_LISTED)
      .map(({ key, label }) => make("label", {}, make("input", { type: "checkbox", value: key,
        checked: state.drawn.has(key) }), ` ${label}`)));
  },

  /** Say how many fit what was typed, and how many are drawn. */
  tell() {
    const number = (value) => value.toLocaleString("en");
    const first = this.found > MOST_LISTED ? ` (the first ${MOST_LISTED} are listed)` : "";
    this.dialog.querySelector(".found").textContent = `${number(this.found)} of ` +
      `${number(page.series.length)} fit${first}, ${number(state.drawn.size)} are drawn`;
  },
};

if (chooser.dialog) {
  chooser.dialog.querySelector("input").addEventListener("input", (event) =>
    chooser.list(event.target.value));
  chooser.dialog.querySelector(".list").addEventListener("change", ({ target }) => {
    state.drawn[target.checked ? "add" : "delete"](target.value);
    if (target.checked) state.hidden.delete(target.value);
    chooser.tell();
    redraw();
  });
  chooser.dialog.querySelector(".reset").addEventListener("click", () => {
    drawOnly(page.drawn);
    chooser.list(chooser.dialog.querySelector("input").value);
  });
}

/** Let the figures draw these series and no others. */
function drawOnly(keys) {
  state.drawn = new Set(keys);
  for (const key of keys) state.hidden.delete(key);
  if (!page.many) for (const { key } of page.series) if (!state.drawn.has(key)) state.hidden.add(key);
  if (!page.many) state.drawn = new Set(page.drawn);
  say(`The figures draw ${keys.length === 1 ? "one configuration" : `${keys.length} configurations`}.`);
  redraw();
}
