// --- the address and downloads -----------------------------------------------------------------

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
    save(`${page.name}-trials.csv`, csv(table, [...table.rows.keys()]), "text/csv");
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
