// --- figures as files ---------------------------------------------------------------------------

const [PANEL_WIDTH, GAP, HEADING] = [640, 24, 34];

/** Save a figure as it is shown: as a picture. */
async function savePicture(figure, format) {
  const name = `${page.name}-${figure.id}`;
  if (!figure.element.dataset.drawn) await due(figure, true);
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
