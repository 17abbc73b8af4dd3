// Fitness, fatigue and form over time with each activity's load: three lanes on one axis of days.

import { element } from "./elements.js";
import { dayAxis, since } from "./days.js";
import { day, dayNumber, mondayOf, signed, weekday, whole } from "./figures.js";
import { nothingYet, Range } from "./part.js";
import { lane, Plot, spanOf, valueRead } from "./plot.js";
import { hatching, thin } from "./theme.js";
import { badgeWords, formWords } from "./words.js";

const MOST_DAYS_BY_DAY = 400; // beyond that a day is narrower than a pixel: loads are summed by week
const SHOWN_DAYS = 182;
const LONGEST_DAYS = 3660; // what the server gives at once

export class FitnessChart {
  #plot;
  #fitness = null;
  #range;

  /** `askMore` is called where more days are to be shown than were asked for. */
  constructor(section, askMore) {
    this.#plot = new Plot(section.querySelector(".plot"));
    this.#range = new Range(section, SHOWN_DAYS, askMore, () => this.#fitness?.days.length && this.#draw());
  }

  path() {
    return `/me/fitness?days=${this.#range.ask(LONGEST_DAYS)}`;
  }

  show(fitness) {
    this.#fitness = fitness;
    if (fitness.days.length === 0) {
      return nothingYet("Nothing to draw yet.", "The lines begin with your first activity that has a load.");
    }
    this.#draw();
    return undefined;
  }

  #draw() {
    const { days: all, activities } = this.#fitness;
    const days = since(all, all.at(-1).on, this.#range.days);
    const [first, last] = [dayNumber(days[0].on), dayNumber(days.at(-1).on)];
    const shown = activities.filter((bar) => dayNumber(bar.on) >= first && dayNumber(bar.on) <= last);
    const byDay = grouped(shown);
    const weekly = last - first > MOST_DAYS_BY_DAY;
    const most = Math.max(20, ...days.flatMap((one) => [one.ctl, one.atl]));
    this.#plot.show({
      says: gist(days),
      reads: days.map((one) => dayNumber(one.on)),
      describe: (place) => described(days[place], byDay.get(days[place].on) ?? []),
      datasets: (colours) => [...lines(days, colours), ...bars(shown, weekly, last - first + 1, colours)],
      scales: (colours) => ({
        x: dayAxis(first, last, colours),
        load: lane(weekly ? "Load by week" : "Load", 2, [0, 1.3 * heightOf(shown, weekly)], colours,
          { stacked: true, count: 3 }),
        form: lane("Form", 2, spanOfForm(days), colours, { write: signed, count: 5 }),
        state: lane("Fitness and fatigue", 4, [0, 1.18 * most], colours, { count: 5 }),
      }),
      table: () => ({
        caption: "Fitness, fatigue and form at each day, newest first, with the day's activities",
        headings: ["Day", "Fitness", "Fatigue", "Form", "Load", "Activities"],
        numbers: [1, 2, 3, 4],
        rows: days.toReversed().map((one) => [day(dayNumber(one.on)), whole(one.ctl), whole(one.atl),
          signed(one.tsb), whole(one.load), (byDay.get(one.on) ?? []).map(barWords).join(", ")]),
      }),
    });
  }
}

/** At least from −20 to +20, so that a quiet month does not look wild. */
function spanOfForm(days) {
  const [low, high] = spanOf(days.map((one) => one.tsb));
  return [Math.min(-20, low), Math.max(20, high)];
}

function heightOf(bars, weekly) {
  const sums = new Map();
  for (const bar of bars) {
    const place = weekly ? mondayOf(dayNumber(bar.on)) : bar.on;
    sums.set(place, (sums.get(place) ?? 0) + bar.load);
  }
  return Math.max(50, ...sums.values());
}

function grouped(bars) {
  const groups = new Map();
  for (const bar of bars) groups.set(bar.on, [...(groups.get(bar.on) ?? []), bar]);
  return groups;
}

function gist(days) {
  const [first, last] = [days[0], days.at(-1)];
  return `Fitness went from ${whole(first.ctl)} on ${day(dayNumber(first.on))} to ${whole(last.ctl)} on `
    + `${day(dayNumber(last.on))}; fatigue is ${whole(last.atl)} and form ${signed(last.tsb)}, `
    + `${formWords(last.tsb)}.`;
}

const barWords = (bar) => `${bar.name}: ${whole(bar.load)} (${badgeWords(bar)})`;

function described(one, bars) {
  const date = day(dayNumber(one.on));
  const sums = `fitness ${whole(one.ctl)}, fatigue ${whole(one.atl)}, form ${signed(one.tsb)}`;
  return {
    text: `${date}: ${sums}. ${bars.length ? bars.map(barWords).join(", ") : "No activity"}`,
    nodes: [
      element("p", {}, element("strong", { class: "when" }, weekday(dayNumber(one.on))),
        valueRead("Fitness", whole(one.ctl), "fitness"), valueRead("Fatigue", whole(one.atl), "fatigue"),
        valueRead("Form", signed(one.tsb), "form")),
      element("p", { class: "of-day" }, bars.length === 0 ? element("span", { class: "soft" }, "No activity")
        : bars.map((bar) => element("a", { href: `#activity-${bar.activity_id}` }, `${bar.name} `,
          element("strong", { class: bar.estimated ? "estimated-value" : null }, whole(bar.load)),
          bar.estimated && " est."))),
    ],
  };
}

function lines(days, colours) {
  const along = (name) => days.map((one) => ({ x: dayNumber(one.on), y: one[name] }));
  return [
    { data: along("ctl"), yAxisID: "state", borderColor: colours.fitness, borderWidth: 2.5, dot: colours.fitness },
    { data: along("atl"), yAxisID: "state", borderColor: colours.fatigue, borderWidth: 1.25, dot: colours.fatigue },
    {
      data: along("tsb"), yAxisID: "form", borderColor: colours.form, borderWidth: 1.5, dot: colours.form,
      fill: { target: "origin", above: thin(colours.form, 0.25), below: thin(colours.fatigue, 0.18) },
    },
  ];
}

/** One bar per activity, those of a day upon each other; by week one of what is measured and one of estimates. */
function bars(shown, weekly, days, colours) {
  const room = Math.max(200, document.getElementById("fitness").clientWidth - 90);
  const width = weekly ? (7 * room) / days : room / days;
  const apart = width > 4 ? 1.5 : 0;
  const look = {
    type: "bar", yAxisID: "load", grouped: false, barThickness: Math.max(1, Math.min(12, width - apart)),
  };
  const hatched = hatching(colours.load);
  const paint = (estimated) => ({
    backgroundColor: estimated ? hatched : colours.load,
    borderColor: estimated ? colours.load : colours.card,
    borderWidth: estimated ? 1 : { top: width > 4 ? 1 : 0 },
    borderSkipped: false,
  });
  if (weekly) {
    return [false, true].map((estimated) => {
      const sums = new Map();
      for (const bar of shown) {
        if (bar.estimated !== estimated) continue;
        const thursday = mondayOf(dayNumber(bar.on)) + 3;
        sums.set(thursday, (sums.get(thursday) ?? 0) + bar.load);
      }
      return { ...look, ...paint(estimated), data: [...sums].map(([x, y]) => ({ x, y })) };
    });
  }
  const layers = [];
  const heights = new Map();
  for (const bar of shown) {
    const level = heights.get(bar.on) ?? 0;
    heights.set(bar.on, level + 1);
    (layers[level] ??= []).push(bar);
  }
  return layers.map((layer) => ({
    ...look,
    data: layer.map((bar) => ({ x: dayNumber(bar.on), y: bar.load })),
    backgroundColor: layer.map((bar) => paint(bar.estimated).backgroundColor),
    borderColor: layer.map((bar) => paint(bar.estimated).borderColor),
    borderWidth: layer.map((bar) => paint(bar.estimated).borderWidth),
    borderSkipped: false,
  }));
}
