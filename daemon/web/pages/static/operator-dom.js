// Builds what the operator's page shows: elements, tables, times, prose. Refuses to know what any of it means.

/** How far the server's clock is ahead of ours, in milliseconds; set from the Date of each answer. */
export const clock = { ahead: 0 };

/** Make an element. `attributes` named on… are listeners; a `null` or `false` child or attribute is left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

/** Put new children into a part of the page; focus and opened details stay where they were. */
export function replace(part, ...children) {
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const mark = focused && name(focused.closest("[data-key], a[href]"));
  const opened = new Map([...part.querySelectorAll("details[data-key]")].map((one) => [one.dataset.key, one.open]));
  part.replaceChildren(...children.flat(Infinity).filter(Boolean));
  for (const one of part.querySelectorAll("details[data-key]")) one.open = opened.get(one.dataset.key) ?? one.open;
  if (!focused) return;
  const again = mark && [...part.querySelectorAll("[data-key], a[href]")].find((one) => name(one) === mark);
  // What had the focus is gone with what it was about: the heading is the nearest place.
  const target = again ? again.querySelector(":scope > summary") ?? again : part.closest("section")?.querySelector("[tabindex='-1']");
  target?.focus({ preventScroll: Boolean(again) });
}

/** What tells an element from the others of its part, and stays when the part is drawn anew. */
function name(element) {
  return element && (element.dataset.key ?? element.getAttribute("href"));
}

/** A table that folds into cards where there is little room; roles are said, since display takes them away. */
export function table(caption, columns, rows) {
  const head = columns.map((column) => h("th", { role: "columnheader", scope: "col", class: column.number ? "number" : null }, column.title));
  const body = rows.map((row) => h("tr", { role: "row", "data-row": row.key ?? null }, columns.map((column) => {
    const content = column.show(row);
    // On a narrow screen, what is nothing takes no room.
    const classes = [column.number && "number", (!content || content === "0") && "nil"].filter(Boolean).join(" ");
    return h("td", { role: "cell", "data-label": column.title || null, class: classes || null }, h("div", {}, content || "–"));
  })));
  return h("table", { class: "folding", role: "table" },
    h("caption", {}, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h("tbody", { role: "rowgroup" }, body));
}

/** The table behind a chart. */
export function behind(key, ...content) {
  return h("details", { "data-key": key }, h("summary", {}, "As a table"), content);
}

export const count = (number) => number.toLocaleString("en");

/** One thing or several of it, with their number. */
export const of = (number, one, several = `${one}s`) => `${count(number)} ${number === 1 ? one : several}`;

/** An instant, told from now; `tick` keeps it so. The title has it in UTC, as logs do. */
export function when(iso) {
  return iso ? instant(iso, {}) : null;
}

/** For how long something has been so. */
export function lasting(iso) {
  return instant(iso, { "data-lasting": true });
}

function instant(iso, attributes) {
  const element = h("time", { datetime: iso, title: `${iso.slice(0, 19).replace("T", " ")} UTC`, ...attributes });
  element.textContent = told(element);
  return element;
}

/** Tell every instant on the page anew. */
export function tick(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const text = told(element);
    if (element.textContent !== text) element.textContent = text;
  }
}

function told(element) {
  if ("lasting" in element.dataset) return `for ${since(element.dateTime)}`;
  const seconds = (Date.parse(element.dateTime) - Date.now() - clock.ahead) / 1000;
  if (Math.abs(seconds) < 3) return "now";
  return seconds > 0 ? `in ${span(seconds)}` : `${span(-seconds)} ago`;
}

export function since(iso) {
  return span((Date.now() + clock.ahead - Date.parse(iso)) / 1000);
}

export function span(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.round(minutes / 1440)} days`;
}

/** A sentence in which `commands` and addresses stand out. */
export function prose(text) {
  return text.split(/(`[^`]+`|https:\/\/[^\s,;)]+)/).filter(Boolean).map((piece) => {
    if (piece.startsWith("`")) return h("code", {}, piece.slice(1, -1));
    if (piece.startsWith("https://")) return h("a", { href: piece, rel: "noreferrer" }, piece.slice(8));
    return piece;
  });
}

const MARKS = { good: "✓", warn: "▲", bad: "✕", busy: "▶", idle: "○" };

/** A word of state, told by its shape as well as by its colour. */
export function badge(kind, word) {
  return h("span", { class: `badge ${kind}` }, h("span", { "aria-hidden": "true" }, `${MARKS[kind]} `), word);
}

/** Give an element a share of its parent's width; by script, since the policy allows no style in markup. */
export function wide(element, share) {
  element.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return element;
}
