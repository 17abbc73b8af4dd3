// Best power and best pace by duration, this season against the last, with the fitted line and its band.

import { element } from "./elements.js";
import { dated, exactly, NONE, perKilometre, whole, withError } from "./figures.js";
import { nothingYet } from "./part.js";
import { lane, Plot, valueRead } from "./plot.js";
import { sourceWords } from "./words.js";

const TICKS = new Map([[1, "1 s"], [5, "5 s"], [15, "15 s"], [60, "1 min"], [300, "5 min"], [1200, "20 min"],
  [3600, "1 h"], [18000, "5 h"]]);
const TABLED = [1, 5, 15, 30, 60, 120, 180, 300, 480, 600, 720, 1200, 1800, 3600, 7200, 10800, 18000];
const PACES = [120, 135, 150, 165, 180, 210, 240, 270, 300, 360, 420, 480, 600, 720, 900, 1200]; // s per km

const POWER = { name: "power", model: "Critical power", capacity: "W′", shows: "watts",
  value: (watts) => `${whole(watts)} W`, stored: (joules) => `${(joules / 1000).toFixed(1)} kJ` };
const PACE = { name: "pace", model: "Critical speed", capacity: "D′", shows: "pace",
  value: perKilometre, stored: (metres) => `${whole(metres)} m` };

export class CurveChart {
  #plot;
  #section;

  constructor(section) {
    this.#section = section;
    this.#plot = new Plot(section.querySelector(".plot"));
  }

  show(curves) {
    const { this_season: now, last_season: before, fit } = curves;
    const of = curves.unit === "W" ? POWER : PACE;
    this.#section.querySelector(".fit")?.remove();
    this.#section.querySelector('.key[data-key="ink"]').hidden = fit === null;
    if (now.bests.length === 0 && before.bests.length === 0) {
      return nothingYet("No curve yet.",
        curves.missing ?? `It is drawn from the first recording that has ${of.name}.`);
    }
    this.#section.querySelector(".plot").before(summary(curves, of));
    const bests = {
      now: bySeconds(now.bests), before: bySeconds(before.bests), model: bySeconds(fit?.points ?? []),
    };
    const reads = [...new Set([...bests.now.keys(), ...bests.before.keys()])].sort((one, other) => one - other);
    const rest = reads.indexOf(reads.findLast((seconds) => seconds <= 1200) ?? reads[0]);
    this.#plot.show({
      says: gist(now, before, fit, of),
      reads,
      rest,
      describe: (place) => described(reads[place], bests, of),
      datasets: (colours) => datasets(now, before, fit, colours),
      scales: (colours) => scales(reads, now, before, of, colours),
      table: () => ({
        caption: `Best ${of.name} by duration`,
        headings: ["Duration", "Last 365 days", "on", "Year before", "on", of.model],
        numbers: [1, 3, 5],
        rows: TABLED.filter((seconds) => bests.now.has(seconds) || bests.before.has(seconds))
          .map((seconds) => [exactly(seconds), ...cells(bests.now.get(seconds), of),
            ...cells(bests.before.get(seconds), of), cells(bests.model.get(seconds), of)[0]]),
      }),
    });
    return undefined;
  }
}

const bySeconds = (points) => new Map(points.map((point) => [point.seconds, point]));
const onLink = (best) => element("a", { href: `#activity-${best.activity_id}` }, dated(best.on));
const cells = (best, of) => (best ? [of.value(best.value), best.on ? onLink(best) : NONE] : [NONE, NONE]);

function summary({ fit, missing }, of) {
  if (fit === null) return element("p", { class: "fit soft" }, missing ?? `${of.model} is not known yet.`);
  const capacity = fit.capacity === null ? null : [
    " · ", of.capacity, " ", element("strong", {}, of.stored(fit.capacity)),
    fit.capacity_standard_error === null ? null : ` ± ${of.stored(fit.capacity_standard_error)}`];
  return element("div", { class: "fit" },
    element("p", {}, of.model, " ",
      element("strong", {}, withError(of.shows, fit.value, fit.standard_error)), capacity,
      element("span", { class: "soft" }, ` · ${sourceWords(fit.method)}, since ${dated(fit.effective_on)}`)),
    element("details", {}, element("summary", {}, "How it was found"), element("p", {}, fit.explanation),
      missing && element("p", {}, missing)));
}

function gist(now, before, fit, of) {
  const at = (season, seconds) => season.bests.find((best) => best.seconds === seconds);
  const told = [60, 300, 1200].filter((seconds) => at(now, seconds)).map((seconds) => {
    const old = at(before, seconds);
    const than = old ? ` (the year before ${of.value(old.value)})` : "";
    return `${exactly(seconds)} ${of.value(at(now, seconds).value)}${than}`;
  });
  const model = fit === null ? "" : ` ${of.model} is ${withError(of.shows, fit.value, fit.standard_error)}.`;
  return `Best ${of.name} of the last 365 days: ${told.join(", ") || "none"}.${model}`;
}

function described(seconds, bests, of) {
  const [now, before, model] = [bests.now.get(seconds), bests.before.get(seconds), bests.model.get(seconds)];
  const parts = [
    now && `${of.value(now.value)}, ${dated(now.on)}`,
    before && `the year before ${of.value(before.value)}`,
    model && `the line says ${of.value(model.value)}`,
  ].filter(Boolean);
  return {
    text: `${exactly(seconds)}: ${parts.join("; ")}`,
    nodes: [
      element("p", {}, element("strong", { class: "when" }, exactly(seconds)),
        now && valueRead("now", of.value(now.value), "fitness"),
        before && valueRead("before", of.value(before.value), "last-season"),
        model && valueRead("line", of.value(model.value), "ink")),
      element("p", { class: "of-day" }, now && onLink(now)),
    ],
  };
}

function datasets(now, before, fit, colours) {
  const line = (season) => season.bests.map((best) => ({ x: best.seconds, y: best.value }));
  const model = (name) => (fit?.points ?? []).map((point) => ({ x: point.seconds, y: point[name] }));
  return [
    { data: line(now), borderColor: colours.fitness, borderWidth: 2.5, dot: colours.fitness },
    { data: line(before), borderColor: colours["last-season"], borderWidth: 1.5, dot: colours["last-season"] },
    { data: model("value"), borderColor: colours.ink, borderWidth: 1.5, borderDash: [5, 4] },
    { data: model("low"), borderWidth: 0 },
    { data: model("high"), borderWidth: 0, backgroundColor: colours.band, fill: "-1" },
  ];
}

function scales(reads, now, before, of, colours) {
  const values = [...now.bests, ...before.bests].map((best) => best.value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const ticks = { color: colours.soft, maxRotation: 0, autoSkip: false, padding: 6 };
  const grid = { color: colours.grid, drawTicks: false };
  const y = of === POWER
    ? lane("", 1, [0, 1.08 * most], colours, { count: 5 })
    : lane("", 1, [0.92 * least, 1.04 * most], colours, {
      write: (speed) => perKilometre(speed).replace(" /km", ""),
      afterBuildTicks: (scale) => {
        const speeds = PACES.map((pace) => 1000 / pace)
          .filter((speed) => speed >= scale.min && speed <= scale.max);
        scale.ticks = spread(speeds, (scale.max - scale.min) / 7).map((value) => ({ value }));
      },
    });
  return {
    x: {
      type: "logarithmic",
      min: reads[0],
      max: reads.at(-1),
      grid,
      border: { color: colours.line },
      ticks: {
        ...ticks,
        callback(seconds) {
          const text = TICKS.get(seconds) ?? "";
          return isWide(this.chart) ? text : text.replace(" min", "m").replace(" ", "");
        },
      },
      afterBuildTicks: (scale) => {
        scale.ticks = [...TICKS.keys()]
          .filter((seconds) => seconds >= scale.min && seconds <= scale.max)
          .filter((seconds) => seconds !== 15 || isWide(scale.chart))
          .map((value) => ({ value }));
      },
    },
    y,
  };
}

const isWide = (chart) => chart.width > 420;

/** Of falling values those that are at least so far apart. */
function spread(values, apart) {
  const kept = [];
  for (const value of values) if (kept.length === 0 || kept.at(-1) - value >= apart) kept.push(value);
  return kept;
}
