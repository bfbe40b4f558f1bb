// --- what is packed in the page -----------------------------------------------------------------

/** Return what is packed in the page under a name, as text; null if nothing is. */
async function unpacked(name) {
  const element = document.querySelector(`script[data-name="${CSS.escape(name)}"]`);
  if (!element) return null;
  const letters = atob(element.textContent);
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** Return the values of a curve that is packed as whole steps from one value to the next. */
function curveValues({ unit, steps }) {
  let total = 0;
  return steps.map((step) => (step === null ? null : (total += step) * unit));
}

/** Make an element: its properties, then its children; `data` and `aria` are objects. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  const { data = {}, aria = {}, ...others } = properties;
  Object.assign(element, others);
  Object.assign(element.dataset, data);
  for (const [key, value] of Object.entries(aria)) element.setAttribute(`aria-${key}`, value);
  element.append(...children);
  return element;
}

/** Let the browser save a file. */
function save(name, content, type) {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Copy text, also where a page from disk may not use the clipboard; say so in a status line. */
async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { value: text, className: "off-screen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(`${what} copied.`);
}

/** Show a message for a moment, and tell it to those who hear the page. */
function say(text) {
  const status = document.getElementById("status");
  status.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { status.textContent = ""; }, 4000);
}
