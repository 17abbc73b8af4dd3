// Mornings against what is usual: variability, resting heart rate, sleep, and what they do to the loads of a day.

import { dayAxis, since } from "./days.js";
import { element } from "./elements.js";
import { day, dayNumber, NONE, signed, tenths, weekday, whole } from "./figures.js";
import { nothingYet, Range } from "./part.js";
import { lane, Plot, spanOf, valueRead } from "./plot.js";
import { thin } from "./theme.js";

const SHOWN_DAYS = 182;
const LONGEST_DAYS = 1000; // what the server gives at once

// `own` undoes what the part of a modifier was computed in: the variability is kept as a logarithm.
const SIGNALS = [
  { name: "hrv", field: "hrv_rmssd", words: "Variability (rMSSD), ms", read: (value) => value, own: Math.exp,
    show: whole },
  { name: "resting_hr", field: "resting_hr", words: "Resting heart rate, bpm", read: (value) => value,
    own: (mean) => mean, show: whole },
  { name: "sleep", field: "sleep_seconds", words: "Sleep, h", read: (value) => value / 3600, own: (mean) => mean,
    show: tenths },
];

export class WellnessChart {
  #plot;
  #days = [];
  #range;

  /** `askMore` is called where more days are to be shown than were asked for. */
  constructor(section, askMore) {
    this.#plot = new Plot(section.querySelector(".plot"));
    this.#range = new Range(section, SHOWN_DAYS, askMore, () => this.#days.length && this.#draw());
  }

  path() {
    return `/me/wellness?days=${this.#range.ask(LONGEST_DAYS)}`;
  }

  show(wellness) {
    this.#days = wellness.days.toReversed().filter((one) => SIGNALS.some(({ field }) => field in one.values));
    if (this.#days.length === 0) {
      return nothingYet("Nothing is known of your wellness.",
        "Resting heart rate, its variability and sleep can come from Intervals.icu: give your key under Settings.",
        "Without them loads are as measured, and nothing else is missing.");
    }
    this.#draw();
    return undefined;
  }

  #draw() {
    const days = since(this.#days, this.#days.at(-1).on, this.#range.days);
    const signals = SIGNALS.filter(({ field }) => days.some((one) => field in one.values));
    const [first, last] = [dayNumber(days[0].on), dayNumber(days.at(-1).on)];
    this.#plot.show({
      says: gist(days),
      reads: days.map((one) => dayNumber(one.on)),
      describe: (place) => described(days[place], signals),
      datasets: (colours) => [
        ...signals.flatMap((signal) => lines(days, signal, colours)), strip(days, last - first + 1, colours),
      ],
      scales: (colours) => ({
        x: dayAxis(first, last, colours),
        modifier: lane("Loads count, %", 1.2, [-11, 11], colours, { write: signed, count: 5 }),
        ...Object.fromEntries(signals.toReversed().map((signal) =>
          [signal.name, lane(signal.words, 2, spanOfSignal(days, signal), colours, { count: 5 })])),
      }),
      table: () => ({
        caption: "Wellness by day, newest first",
        headings: ["Day", ...signals.map(({ words }) => words), "Loads count", "Why"],
        numbers: signals.map((_, at) => at + 1).concat(signals.length + 1),
        rows: days.toReversed().map((one) => [day(dayNumber(one.on)),
          ...signals.map((signal) => valueOf(one, signal)), change(one.modifier), one.explanation]),
      }),
    });
  }
}

const valueOf = (one, signal) => (signal.field in one.values ? signal.show(measured(one, signal)) : NONE);

function change(modifier) {
  return Math.abs(modifier - 1) < 0.0005 ? "as measured" : `${signed(100 * (modifier - 1), 1)} %`;
}

function gist(days) {
  const last = days.at(-1);
  return `${days.length} days up to ${day(dayNumber(last.on))}. ${last.explanation}`;
}

function described(one, signals) {
  const read = signals.filter(({ field }) => field in one.values);
  return {
    text: `${day(dayNumber(one.on))}: `
      + `${read.map((signal) => `${signal.words} ${valueOf(one, signal)}`).join(", ")}. ${one.explanation}`,
    nodes: [
      element("p", {}, element("strong", { class: "when" }, weekday(dayNumber(one.on))),
        read.map((signal) => valueRead(shortName(signal), `${valueOf(one, signal)}${UNITS[signal.name]}`, "load")),
        valueRead("Loads", change(one.modifier), one.modifier > 1 ? "fatigue" : "form")),
      element("p", { class: "of-day soft" }, one.explanation),
    ],
  };
}

const UNITS = { hrv: " ms", resting_hr: " bpm", sleep: " h" };
const shortName = ({ name }) => ({ hrv: "HRV", resting_hr: "Pulse", sleep: "Sleep" })[name];

const partOf = (one, signal) => one.parts.find((each) => each.signal === signal.name);

/** One end of what is usual: the baseline's mean and so many of its standard deviations. */
function usual(one, signal, sign) {
  const { baseline_mean: mean, baseline_sd: sd } = partOf(one, signal) ?? {};
  return mean === null || mean === undefined || sd === null ? null : signal.own(mean + sign * sd);
}

const measured = (one, { field, read }) => (field in one.values ? read(one.values[field]) : null);

const spanOfSignal = (days, signal) =>
  spanOf(days.flatMap((one) => [measured(one, signal), usual(one, signal, 1), usual(one, signal, -1)]));

function lines(days, signal, colours) {
  const along = (value) => days.map((one) => ({ x: dayNumber(one.on), y: value(one) ?? null }));
  const recent = (one) => {
    const mean = partOf(one, signal)?.recent_mean ?? null;
    return mean === null ? null : signal.own(mean);
  };
  const axis = { yAxisID: signal.name, spanGaps: false };
  return [
    { ...axis, data: along((one) => usual(one, signal, -1)), borderWidth: 0 },
    {
      ...axis, data: along((one) => usual(one, signal, 1)), borderWidth: 0, backgroundColor: colours.band,
      fill: "-1",
    },
    {
      ...axis, data: along((one) => measured(one, signal)), showLine: false,
      pointRadius: days.length > 200 ? 1 : 2, pointBorderWidth: 0, pointBackgroundColor: colours.load,
    },
    { ...axis, data: along(recent), borderColor: colours.fitness, borderWidth: 2, dot: colours.fitness },
  ];
}

/** The modifier as a strip of bars about "as measured". */
function strip(days, span, colours) {
  const room = Math.max(200, document.getElementById("wellness").clientWidth - 90);
  return {
    type: "bar", yAxisID: "modifier", grouped: false, barThickness: Math.max(1, Math.min(10, room / span - 0.5)),
    data: days.map((one) => ({ x: dayNumber(one.on), y: 100 * (one.modifier - 1) })),
    backgroundColor: days.map((one) => thin(one.modifier > 1 ? colours.fatigue : colours.form, 0.8)),
  };
}
