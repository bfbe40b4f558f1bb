// --- the start ----------------------------------------------------------------------------------

/** Bring the page to what its address says. */
async function follow() {
  const section = read(location.hash);
  for (const table of tables.values()) await table.restore();
  showBaseline();
  const target = section && document.getElementById(section);
  if (target) reveal(target);
}

/** Bring a part of the page into sight, and the keyboard with it. */
function reveal(target) {
  target.closest("details")?.setAttribute("open", "");
  target.scrollIntoView();
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
}

async function start() {
  for (const element of document.querySelectorAll(".table")) new TableView(element);
  for (const element of document.querySelectorAll("[data-figure]")) new FigureView(element);
  for (const list of document.querySelectorAll("[data-baselines]"))
    list.addEventListener("change", () => {
      state.baseline = list.value;
      showBaseline();
      remember();
    });
  await follow();
  returnToPlace();
  const code = await unpacked("plotly");
  document.body.append(make("script", { textContent: code }));
  for (const figure of figures.values()) near.observe(figure.element);
  // The observer tells of what is in sight once the browser has laid the page out.
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  await working;
  root.dataset.ready = "yes";
  await drawRest();
}

// Problems are kept on the root element, where the tests look for them.
const note = (message) => { root.dataset.errors = `${root.dataset.errors ?? ""}${message}\n`; };
addEventListener("error", (event) => note(event.message));
addEventListener("unhandledrejection", (event) => note(event.reason));

// Links within the page keep what was chosen.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='#']");
  if (!link || link.hash.includes("?")) return;
  event.preventDefault();
  history.pushState(null, "", `#${written(link.hash.slice(1))}`);
  const target = document.getElementById(link.hash.slice(1));
  if (target) reveal(target);
});
addEventListener("hashchange", async () => { await follow(); redraw(); });

document.getElementById("theme").addEventListener("click", () => {
  setTheme(THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length]);
  recolour();
});

/** Draw again in the page's present colours. */
function recolour() {
  palette = new Map();
  return redraw();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
// Paper is white, whatever the screen was.
onPaper.addEventListener("change", recolour);
const chosenTheme = stored("resray-theme");
setTheme(THEMES.includes(chosenTheme) ? chosenTheme : "auto");
start().catch(note);
