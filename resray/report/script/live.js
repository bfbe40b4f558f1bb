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
    try { sessionStorage.setItem(PLACE, place()); } catch { /* it begins at the top */ }
    location.reload();
  }, 1000 * Number(liveNote.dataset.seconds));
}

/** Return where the reader is: the section, as what stands above it may grow, and how far in it. */
function place() {
  const begun = [...document.querySelectorAll("main > section")]
    .filter((one) => one.getBoundingClientRect().top < innerHeight / 3).at(-1);
  return begun ? `${begun.id} ${-begun.getBoundingClientRect().top}` : `top ${scrollY}`;
}

/** Scroll to where the reader was before the page was loaded again. */
function returnToPlace() {
  let kept = null;
  try {
    kept = sessionStorage.getItem(PLACE);
    sessionStorage.removeItem(PLACE);
  } catch { /* it begins at the top */ }
  if (kept === null) return false;
  const [id, offset] = kept.split(" ");
  document.getElementById(id)?.scrollIntoView({ block: "start" });
  scrollBy(0, Number(offset) + (document.getElementById(id)?.getBoundingClientRect().top ?? 0));
  return true;
}
