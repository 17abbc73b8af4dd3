// The colours of charts, read from the style sheet, so that there is one place for them. It draws nothing.

const NAMES = ["ink", "soft", "line", "card", "fitness", "fatigue", "form", "load", "last-season", "band", "grid"];
const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** The colours now in force, by the names of the style sheet. */
export function theme() {
  const style = getComputedStyle(document.documentElement);
  const colours = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  return { ...colours, font: getComputedStyle(document.body).fontFamily };
}

/** Have something drawn again when the visitor's device turns dark or light. */
export const onThemeChange = (redraw) => dark.addEventListener("change", redraw);

/** A colour let through: `share` from 0 to 1; colours of the style sheet are #rrggbb. */
export const thin = (colour, share) => colour + Math.round(255 * share).toString(16).padStart(2, "0");

/** Hatching, for what is estimated. */
export function hatching(colour) {
  const side = 6;
  const tile = document.createElement("canvas");
  tile.width = tile.height = side;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  for (const offset of [-side, 0, side]) {
    pen.moveTo(offset, side);
    pen.lineTo(offset + side, 0);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}
