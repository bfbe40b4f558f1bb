// --- a report that is written again while its study runs ----------------------------------------

const PLACE = `resray-place-${page.name}`;
const liveNote = document.getElementById("live");

/** Load the page again every few seconds, where the reader is and with what was chosen. */
if (liveNote) {
  const pause = liveNote.querySelector("button");
  pause.addEventListener("click", () => press(pause, pause.getAttribute("aria-pressed") !== "true"));
  setInterval(() => {
    // What is still being drawn would never be done if it began anew each time.
    const busy = !root.dataset.drawn || pause.getAttribute("aria-pressed") === "true" ||
      document.hidden ||
      document.querySelector("dialog[open], details.menu[open]") ||
      document.activeElement?.matches("input, select") || String(getSelection());
    if (busy) return;
    remember();
    try { sessionStorage.setItem(PLACE, scrollY); } catch { /* it begins at the top */ }
    location.reload();
  }, 1000 * Number(liveNote.dataset.seconds));
}

/** Scroll to where the reader was before the page was loaded again. */
function returnToPlace() {
  let place = null;
  try {
    place = sessionStorage.getItem(PLACE);
    sessionStorage.removeItem(PLACE);
  } catch { /* it begins at the top */ }
  if (place === null) return false;
  scrollTo(0, Number(place));
  return true;
}
