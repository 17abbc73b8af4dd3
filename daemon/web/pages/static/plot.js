// One chart with all that belongs to it: a line to read by mouse, finger or keyboard, what it says in words, and
// the table behind it. What is drawn is the matter of whoever uses it.

import { element, scrolling, table } from "./elements.js";
import { onThemeChange, theme } from "./theme.js";

const AXIS_WIDTH = 46; // one width for all, so that the lanes of a chart and the charts of a page stand in line
const THUMB = 22; // of the style sheet's scrubber
const TRACK = 10000; // places of the scrubber along the axis: more than any finger or mouse can tell apart

/** The names of lanes, each at the top left of its own. */
const laneNames = {
  id: "laneNames",
  afterDatasetsDraw(chart, _, { colour, font }) {
    const pen = chart.ctx;
    pen.save();
    pen.fillStyle = colour;
    pen.font = `600 11px ${font}`;
    pen.textBaseline = "top";
    for (const scale of Object.values(chart.scales)) {
      if (scale.options.laneName) pen.fillText(scale.options.laneName, chart.chartArea.left + 6, scale.top + 4);
    }
    pen.restore();
  },
};

/** The line at what is read, with a dot on every line that passes there. */
const reading = {
  id: "reading",
  afterLayout(chart, _, { align }) {
    align(chart.chartArea);
  },
  afterDatasetsDraw(chart, _, { at, colours }) {
    const x = at === null ? null : chart.scales.x.getPixelForValue(at);
    const { left, right, top, bottom } = chart.chartArea;
    if (x === null || x < left - 1 || x > right + 1) return;
    const pen = chart.ctx;
    pen.save();
    pen.strokeStyle = colours.soft;
    pen.lineWidth = 1;
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(x, top);
    pen.lineTo(x, bottom);
    pen.stroke();
    pen.setLineDash([]);
    for (const dataset of chart.data.datasets) {
      if (dataset.dot === undefined) continue;
      const point = dataset.data.find((one) => one.x === at);
      if (point === undefined || point.y === null) continue;
      pen.fillStyle = dataset.dot;
      pen.strokeStyle = colours.card;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, chart.scales[dataset.yAxisID ?? "y"].getPixelForValue(point.y), 4.5, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    }
    pen.restore();
  },
};

export class Plot {
  #chart = null;
  #drawing = null;
  #at = 0;

  constructor(figure) {
    this.canvas = figure.querySelector("canvas");
    this.readout = figure.querySelector(".readout");
    this.scrubber = figure.querySelector(".scrubber");
    this.behind = figure.querySelector(".behind");
    this.scrubber.max = String(TRACK);
    this.scrubber.addEventListener("input", () => this.#scrub(Number(this.scrubber.value)));
    for (const name of ["pointermove", "pointerdown"]) {
      this.canvas.addEventListener(name, (event) => this.#point(event));
    }
    this.canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.#read(this.#drawing?.rest ?? 0); // a finger's choice stays
    });
    this.behind.addEventListener("toggle", () => this.#fillTable());
    onThemeChange(() => this.#redraw());
  }

  /** Draw: `datasets(colours)`, `scales(colours)`; `says` is the gist in a sentence; `reads` the places that can be
   * read, by x; `describe(place)` returns { text, nodes }; `rest` is the place that is read when nothing is pointed
   * at; `table()` returns { caption, headings, rows, numbers }. */
  show(drawing) {
    this.#drawing = { ...drawing, rest: drawing.rest ?? drawing.reads.length - 1 };
    this.#at = this.#drawing.rest;
    this.canvas.setAttribute("aria-label", drawing.says);
    this.scrubber.hidden = drawing.reads.length < 2;
    this.#redraw();
    this.#fillTable();
  }

  #redraw() {
    if (this.#drawing === null) return;
    const colours = theme();
    const { datasets, scales } = this.#drawing;
    this.#chart?.destroy();
    Chart.defaults.font.family = colours.font;
    this.#chart = new Chart(this.canvas, {
      type: "line",
      data: { datasets: datasets(colours) },
      options: {
        animation: false, // what moves by itself is not calm
        responsive: true,
        maintainAspectRatio: false,
        parsing: false,
        normalized: true,
        events: [], // pointing is ours: one way to read for mouse, finger and keyboard
        layout: { padding: { top: 4, right: 10 } },
        elements: { point: { radius: 0 }, line: { borderWidth: 2, borderJoinStyle: "round" } },
        scales: scales(colours),
        plugins: {
          legend: { display: false },
          tooltip: { enabled: false },
          reading: { at: null, colours, align: (area) => this.#align(area) },
          laneNames: { colour: colours.soft, font: colours.font },
        },
      },
      plugins: [laneNames, reading],
    });
    this.#read(this.#at);
  }

  /** Put the scrubber's thumb under the line that it moves. */
  #align(area) {
    this.scrubber.style.marginInlineStart = `${area.left - THUMB / 2}px`;
    this.scrubber.style.width = `${area.right - area.left + THUMB}px`;
  }

  #placeThumb() {
    const { left, right } = this.#chart.chartArea;
    const pixel = this.#chart.scales.x.getPixelForValue(this.#drawing.reads[this.#at]);
    this.scrubber.value = this.scrubber.dataset.at = String(Math.round((TRACK * (pixel - left)) / (right - left)));
  }

  #point(event) {
    if (this.#chart === null || this.#drawing.reads.length === 0) return;
    this.#read(this.#nearest(event.clientX - this.canvas.getBoundingClientRect().left));
  }

  /** A key moves the thumb by one, which stands for one place to read; a hand moves it further. */
  #scrub(value) {
    const moved = value - Number(this.scrubber.dataset.at);
    if (Math.abs(moved) === 1) return this.#read(this.#at + moved);
    const { left, right } = this.#chart.chartArea;
    return this.#read(this.#nearest(left + (value / TRACK) * (right - left)));
  }

  #nearest(pixel) {
    const { reads } = this.#drawing;
    const pixelOf = (place) => this.#chart.scales.x.getPixelForValue(reads[place]);
    let [low, high] = [0, reads.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (pixelOf(middle) < pixel) low = middle;
      else high = middle;
    }
    return Math.abs(pixelOf(low) - pixel) <= Math.abs(pixelOf(high) - pixel) ? low : high;
  }

  #read(place) {
    const { reads, describe } = this.#drawing;
    if (reads.length === 0) return;
    this.#at = Math.min(Math.max(place, 0), reads.length - 1);
    const { text, nodes } = describe(this.#at);
    this.readout.replaceChildren(...nodes);
    this.scrubber.setAttribute("aria-valuetext", text);
    this.#chart.options.plugins.reading.at = reads[this.#at];
    this.#chart.update("none");
    this.#placeThumb();
  }

  #fillTable() {
    for (const old of this.behind.querySelectorAll(".scroll")) old.remove();
    if (!this.behind.open || this.#drawing === null) return;
    const { caption, headings, rows, numbers } = this.#drawing.table();
    this.behind.append(scrolling(caption, table(caption, headings, rows, numbers)));
  }
}

/** Options of a y axis that is one lane of several: `weight` is its share of the height, `[low, high]` its span.
 * Ticks keep off the lane's ends, where the next lane begins; `write` is how a value is written. */
export function lane(name, weight, [low, high], colours, { write = String, count = 4, ...more } = {}) {
  const step = niceStep((high - low) / count);
  const apart = (high - low) / (14 * weight);
  const values = [];
  for (let at = Math.ceil((low + (low === 0 ? 0 : apart)) / step); at * step <= high - apart; at += 1) {
    values.push(Number((at * step).toFixed(6))); // 3 · 0.1 is not 0.3
  }
  return {
    type: "linear",
    position: "left",
    stack: "lanes",
    stackWeight: weight,
    laneName: name,
    min: low,
    max: high,
    grid: { color: colours.grid, drawTicks: false },
    border: { display: false },
    ticks: { color: colours.soft, padding: 6, autoSkip: false, callback: (value) => write(value) },
    afterBuildTicks: (scale) => {
      scale.ticks = values.map((value) => ({ value }));
    },
    afterFit: (scale) => {
      scale.width = AXIS_WIDTH;
    },
    ...more,
  };
}

/** 1, 2 or 5 times a power of ten, or 25, 250 …: not below what is wanted. */
function niceStep(wanted) {
  const power = 10 ** Math.floor(Math.log10(wanted));
  const steps = power >= 10 ? [1, 2, 2.5, 5] : [1, 2, 5];
  return power * (steps.find((one) => one * power >= wanted) ?? 10);
}

/** What a lane has to span for these values, with room for its name at the top and a little below. */
export function spanOf(values, room = 0.12) {
  const known = values.filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const size = high - low || Math.abs(high) * 0.1 || 1;
  return [low - (room / 2) * size, high + 2 * room * size];
}

/** One value of a readout: its name, and the value after a dot of its colour. */
export function valueRead(name, value, key) {
  return element("span", { class: "read", "data-key": key }, `${name} `, element("strong", {}, value));
}
