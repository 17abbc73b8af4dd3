// Makes elements. Text goes in as text: nothing that a server or an athlete wrote is ever parsed as HTML.

/** element("a", { href: "#x", class: "y" }, "text", child): null and false children are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  const isThere = (child) => child !== null && child !== undefined && child !== false;
  made.append(...children.flat(Infinity).filter(isThere));
  return made;
}

/** A table with a caption and one heading row; cells are texts or nodes, the columns `numbers` are set right. */
export function table(caption, headings, rows, numbers = []) {
  const looks = (column) => (numbers.includes(column) ? { class: "number" } : {});
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, element("tr", {}, headings.map((text, at) =>
      element("th", { scope: "col", ...looks(at) }, text)))),
    element("tbody", {}, rows.map((cells) => element("tr", {}, cells.map((cell, at) =>
      at === 0 ? element("th", { scope: "row", ...looks(at) }, cell) : element("td", looks(at), cell))))),
  );
}

/** A table that scrolls by itself where it is wide, by keyboard too. */
export function scrolling(label, inner) {
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, inner);
}

export const byId = (id) => document.getElementById(id);
