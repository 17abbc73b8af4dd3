// Thresholds over time: what is in force, a step line for the kind that was chosen, and the evidence of each row.

import { dayAxis } from "./days.js";
import { byId, element } from "./elements.js";
import { dated, day, dayNumber, withError, WRITTEN } from "./figures.js";
import { evidenceOf } from "./evidence.js";
import { nothingYet } from "./part.js";
import { lane, Plot, spanOf, valueRead } from "./plot.js";
import { KINDS, sourceWords } from "./words.js";

const LEAST_DAYS = 90;

export class ThresholdChart {
  #plot;
  #section;
  #thresholds = null;
  #kind = null;

  constructor(section) {
    this.#section = section;
    this.#plot = new Plot(section.querySelector(".plot"));
  }

  show(thresholds) {
    this.#thresholds = thresholds;
    this.#section.querySelector(".doubts").replaceChildren(...thresholds.doubts.map((doubt) =>
      element("p", { class: "note warn" }, element("strong", {}, "Doubtful: "), doubt.sentence)));
    const kinds = Object.keys(KINDS).filter((kind) => thresholds.history.some((row) => row.kind === kind));
    if (kinds.length === 0) {
      return nothingYet("No thresholds yet.",
        "They are told from your hardest efforts, which takes a few activities.",
        "Until then loads use common values and say so. You can set your own under Settings.");
    }
    if (!kinds.includes(this.#kind)) [this.#kind] = kinds;
    this.#drawKinds(kinds);
    this.#draw();
    return undefined;
  }

  #drawKinds(kinds) {
    const focused = document.activeElement?.dataset?.kind;
    this.#section.querySelector(".kinds").replaceChildren(...kinds.map((kind) => {
      const row = this.#thresholds.in_force[kind];
      const button = element("button", {
        type: "button", class: "quiet kind", "data-kind": kind, "aria-pressed": String(kind === this.#kind),
      },
      element("span", { class: "soft" }, KINDS[kind].name),
      element("strong", { class: row?.assumed ? "estimated-value" : null },
        row ? WRITTEN[KINDS[kind].shows](row.value) : "none in force"),
      row && element("span", { class: "small soft" }, row.assumed ? "assumed" : sourceWords(row.method)));
      button.addEventListener("click", () => {
        this.#kind = kind;
        this.#drawKinds(kinds);
        this.#draw();
      });
      return button;
    }));
    if (focused) this.#section.querySelector(`[data-kind="${focused}"]`)?.focus();
  }

  #draw() {
    const rows = this.#thresholds.history.filter((row) => row.kind === this.#kind);
    const today = dayNumber(this.#thresholds.today);
    const { name, shows } = KINDS[this.#kind];
    const known = rows.map((row) => dayNumber(row.effective_on)).filter((number) => number > 0);
    const first = Math.min(today - LEAST_DAYS, ...known.map((number) => number - 14));
    const last = Math.max(today, ...known);
    const at = (row) => Math.max(first, dayNumber(row.effective_on));
    const counted = rows
      .filter((row) => row.state === "in force" || row.state === "past" || row.state === "to come")
      .sort((one, other) => at(one) - at(other) || one.threshold_id - other.threshold_id);
    const marks = rows.toSorted((one, other) => at(one) - at(other));
    const pace = shows === "pace" || shows === "swim";
    this.#plot.show({
      says: gist(name, shows, this.#thresholds.in_force[this.#kind], rows),
      reads: marks.map(at),
      describe: (place) => described(marks[place], shows),
      datasets: (colours) => datasets(counted, rows, at, last, colours),
      scales: (colours) => ({
        x: dayAxis(first, last, colours),
        y: lane("", 1, spanOf(rows.map((row) => row.value), 0.3), colours, {
          write: (value) => (pace ? WRITTEN[shows](value).replace(/ .*/, "") : String(Math.round(value))),
        }),
      }),
      table: () => ({
        caption: `${name}: every value that was written, newest first`,
        headings: ["From", "Value", "How", "State"],
        numbers: [1],
        rows: marks.toReversed().map((row) => [dated(row.effective_on),
          withError(shows, row.value, row.standard_error), sourceWords(row.method), stateWords(row)]),
      }),
    });
    byId("evidence").replaceChildren(...marks.toReversed().map((row) => evidenceOf(row, row.state === "in force")));
  }
}

const stateWords = (row) => (row.assumed ? `${row.state}, assumed` : row.state);

function gist(name, shows, row, rows) {
  if (row === undefined) return `${name}: nothing is in force; written so far: ${rows.length}.`;
  return `${name} is ${withError(shows, row.value, row.standard_error)} since ${dated(row.effective_on)}, `
    + `${sourceWords(row.method)}; written so far: ${rows.length}.`;
}

function described(row, shows) {
  const value = withError(shows, row.value, row.standard_error);
  const state = stateWords(row);
  const from = row.effective_on <= "1970-01-01" ? "From the beginning" : day(dayNumber(row.effective_on));
  return {
    text: `${from}: ${value}, ${sourceWords(row.method)}, ${state}`,
    nodes: [
      element("p", {}, element("strong", { class: "when" }, from),
        valueRead("", value, row.method === "manual" ? "fatigue" : "fitness")),
      element("p", { class: "of-day soft" }, `${sourceWords(row.method)}, ${state}`),
    ],
  };
}

function datasets(counted, rows, at, last, colours) {
  const steps = counted.map((row) => ({ x: at(row), y: row.value }));
  if (steps.length > 0) steps.push({ x: last, y: steps.at(-1).y });
  const isHollow = (row) => row.assumed || row.state === "suggested" || row.state === "withdrawn";
  const colour = (row) => (row.method === "manual" ? colours.fatigue : colours.fitness);
  return [
    { data: steps, stepped: "before", borderColor: colours.fitness, borderWidth: 2 },
    {
      data: rows.map((row) => ({ x: at(row), y: row.value })),
      showLine: false,
      pointRadius: 5,
      pointStyle: rows.map((row) => (row.method === "manual" ? "rect" : "circle")),
      pointBackgroundColor: rows.map((row) => (isHollow(row) ? colours.card : colour(row))),
      pointBorderColor: rows.map((row) => (isHollow(row) ? colours.soft : colour(row))),
      pointBorderWidth: 2,
    },
  ];
}
