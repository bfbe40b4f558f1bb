// --- saved views and downloads ------------------------------------------------------------------

const VIEWS = `resray-views-${page.name}`;
const savedViews = () => JSON.parse(stored(VIEWS) ?? "{}");

/** List the saved views; each brings back what was chosen when it was saved. */
function listViews() {
  const list = document.getElementById("saved");
  list.replaceChildren(...Object.entries(savedViews()).map(([name, hash]) => {
    // With a question mark also where nothing was chosen: it is a view, not a link to a section.
    const href = `#${hash.includes("?") ? hash : `${hash}?`}`;
    const open = make("a", { href, textContent: name });
    const remove = make("button", { type: "button", textContent: "×",
      ariaLabel: `Delete the view ${name}` });
    remove.addEventListener("click", () => {
      const { [name]: _, ...others } = savedViews();
      store(VIEWS, JSON.stringify(others));
      listViews();
    });
    return make("li", {}, open, remove);
  }));
}

function saveView(event) {
  event.preventDefault();
  const field = document.getElementById("view-name");
  const [section] = splitOnce(location.hash.replace(/^#/, ""), "?");
  const name = field.value.trim() || new Date().toLocaleString();
  store(VIEWS, JSON.stringify({ ...savedViews(), [name]: written(section) }));
  field.value = "";
  listViews();
  say(`View “${name}” saved in this browser.`);
}

/** Close a menu, and leave the keyboard where it was opened. */
function close(menu) {
  menu.open = false;
  menu.querySelector("summary").focus();
}

/** Return the page to how it was when it was opened for the first time. */
function resetView() {
  location.hash = "#?";
}

const DOWNLOADS = {
  "trials-csv": async () => {
    const table = tables.get("trials");
    await table.load();
    save(`${page.name}-trials.csv`, FORMS.CSV(table, [...table.rows.keys()]), "text/csv");
  },
  study: async () => save(`${page.name}.yaml`, await unpacked("study"), "application/yaml"),
  system: async () => {
    const table = tables.get("environment");
    await table.load();
    copy(table.texts.map((cells) => cells.join(": ")).join("\n"), "System information");
  },
};

document.getElementById("copy-link").addEventListener("click", () => {
  remember();
  copy(location.href, "The link to this view");
});
document.getElementById("reset").addEventListener("click", resetView);
document.getElementById("save-view").addEventListener("submit", saveView);
for (const button of document.querySelectorAll("[data-download]"))
  button.addEventListener("click", () => DOWNLOADS[button.dataset.download]());
// A menu closes when one of its entries or something else is pressed, and with Escape.
document.addEventListener("click", ({ target }) => {
  const entry = target.closest(".menu > div > button, .menu a");
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu.contains(entry)) close(menu);
    else if (!menu.contains(target)) menu.open = false;
  }
});
document.addEventListener("keydown", ({ key }) => {
  const menu = key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) close(menu);
});
listViews();
