// --- figures as files ---------------------------------------------------------------------------

const [PANEL_WIDTH, GAP, HEADING] = [640, 24, 34];

/** Save a figure as it is shown: as a picture, or the numbers that it is drawn from. */
async function savePicture(figure, format) {
  const name = `${page.name}-${figure.id}`;
  if (!figure.element.dataset.drawn) await due(figure, true);
  if (format === "csv") return save(`${name}.csv`, numbersOf(figure), "text/csv");
  const svg = await pictureOf(figure);
  if (format === "svg") return save(`${name}.svg`, svg, "image/svg+xml");
  save(`${name}.png`, await bitmapOf(svg), "image/png");
}

/** Return all panels of a figure, one below the other, and its key, as one SVG. */
async function pictureOf(figure) {
  const style = getComputedStyle(root);
  const ink = style.getPropertyValue("--ink");
  const parts = [];
  let top = GAP;
  for (const panel of figure.panels.filter((panel) => !panel.hidden)) {
    const target = panel.querySelector(".plot");
    const height = target._fullLayout.height;
    const picture = await Plotly.toImage(target, { format: "svg", width: PANEL_WIDTH, height });
    const inner = decodeURIComponent(picture.slice(picture.indexOf(",") + 1));
    parts.push(textAt(GAP, top + 16, panel.querySelector("h3").textContent, ink, 15),
      inner.replace("<svg", `<svg x="${GAP}" y="${top + HEADING}"`));
    top += height + HEADING + GAP;
  }
  for (const key of figure.payload.series?.filter(shown) ?? []) {
    parts.push(keyAt(figure, key, GAP, top), textAt(GAP + 20, top + 11, labelOf(key), ink, 13));
    top += 20;
  }
  const [width, height] = [PANEL_WIDTH + 2 * GAP, top + GAP];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">` +
    `<rect width="100%" height="100%" fill="${style.getPropertyValue("--paper")}"/>` +
    `${parts.join("")}</svg>`;
}

function textAt(x, y, text, colour, size) {
  const safe = text.replace(/[&<>]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  return `<text x="${x}" y="${y}" fill="${colour}" font-family="system-ui, sans-serif" ` +
    `font-size="${size}">${safe}</text>`;
}

function keyAt(figure, key, x, y) {
  const path = figure.element.querySelector(`[data-series="${CSS.escape(key)}"] path`);
  if (!path) return "";
  const colour = getComputedStyle(path).fill;
  return `<path transform="translate(${x},${y})" d="${path.getAttribute("d")}" fill="${colour}"/>`;
}

function bitmapOf(svg) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => {
      const canvas = make("canvas", { width: 2 * image.width, height: 2 * image.height });
      const context = canvas.getContext("2d");
      context.scale(2, 2);
      context.drawImage(image, 0, 0);
      canvas.toBlob(resolve, "image/png");
    };
    image.onerror = () => reject(new Error("the picture could not be drawn"));
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  });
}

/** Return the points of a figure as comma-separated values, a line each. */
function numbersOf(figure) {
  const lines = [["panel", "series", "point", "x", "y", "value"]];
  for (const panel of figure.panels.filter((panel) => !panel.hidden)) {
    const title = panel.querySelector("h3").textContent;
    const own = panel.querySelector(".plot").data.filter((trace) => !trace.meta?.helper);
    for (const trace of own) lines.push(...pointsOf(trace, title));
  }
  return lines.map((line) => line.map(csvOf).join(",")).join("\r\n") + "\r\n";
}

function csvOf(value) {
  return typeof value === "string" ? csvText(value) : String(value ?? "");
}

/** Return a value as Plotly shows it: text without its marks and entities. */
function plain(value) {
  return typeof value === "string" && /[<&]/.test(value)
    ? new DOMParser().parseFromString(value, "text/html").body.textContent : value;
}

function pointsOf(trace, title) {
  if (trace.z)
    return trace.z.flatMap((row, y) => row.map((value, x) =>
      [title, plain(trace.name), "", plain(trace.x?.[x] ?? x), plain(trace.y?.[y] ?? y),
        plain(value)]));
  const count = Math.max(trace.x?.length ?? 0, trace.y?.length ?? 0);
  return Array.from({ length: count }, (_, place) => {
    const key = trace.meta?.keys?.[place] ?? trace.legendgroup;
    const x = (trace.meta?.x ?? trace.x)?.[place];
    const series = key ? labelOf(key) : plain(trace.name);
    return [title, series, place + 1, plain(x), plain(trace.y?.[place])];
  });
}
