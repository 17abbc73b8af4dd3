// Today's form in words and numbers, from what the fitness chart was given. It tells what is, and advises nothing.

import { byId, element } from "./elements.js";
import { dayNumber, mondayOf, signed, weekday, whole } from "./figures.js";
import { nothingYet } from "./part.js";
import { FORMS, formWords } from "./words.js";

const SCALE = 45; // the scale of form reaches from −45 to +45
const SETTLED_DAYS = 42;

byId("form-words").replaceChildren(
  ...FORMS.map(({ range, words }) =>
    element("tr", {}, element("th", { scope: "row" }, range), element("td", {}, words))),
);

/** Show the newest day of a Fitness; `section` is the part of today. */
export function showToday(section, fitness) {
  section.setAttribute("aria-busy", "false");
  byId("fitness-basis").textContent = fitness.explanation;
  const content = section.querySelector(".content");
  const state = section.querySelector(".state");
  content.hidden = fitness.days.length === 0;
  if (fitness.days.length === 0) {
    state.replaceChildren(nothingYet("There is no load yet.",
      "As soon as your first activity is here, this shows what form you are in."));
    return;
  }
  state.replaceChildren();
  const today = fitness.days.at(-1);
  const before = fitness.days.at(-8);
  const sums = weeks(fitness, today.on);
  content.replaceChildren(
    element("div", { class: "form-now" },
      element("p", { class: "form" },
        element("span", {}, "Form "), element("strong", { "data-part": "form" }, signed(today.tsb)),
        element("span", { class: "words" }, formWords(today.tsb))),
      formScale(today.tsb),
      element("p", { class: "sentence" }, sentenceOf(today, sums)),
      isYoung(fitness) && element("p", { class: "soft small" },
        "Your record here is younger than six weeks: fitness still rises to its true level, and form reads low.")),
    element("div", { class: "tiles" },
      tile("Fitness", whole(today.ctl), before && `${signed(today.ctl - before.ctl)} in a week`, "fitness"),
      tile("Fatigue", whole(today.atl), before && `${signed(today.atl - before.atl)} in a week`, "fatigue"),
      tile("This week", whole(sums.load), `load, in ${counted(sums.count)}`, "load"),
      tile("Last week", whole(sums.loadBefore), `load, in ${counted(sums.countBefore)}`, "load")),
  );
}

/** Say that form cannot be told now; the fitness chart below says why, and tries again. */
export function showNoToday(section) {
  section.setAttribute("aria-busy", "false");
  section.querySelector(".state").replaceChildren(element("p", { class: "soft" },
    "Today's form cannot be told now: the chart below says why."));
}

/** Today in a sentence, for those who hear the page. */
export function spoken(fitness) {
  const today = fitness.days.at(-1);
  return today === undefined ? ""
    : `Form ${signed(today.tsb)}, ${formWords(today.tsb)}; fitness ${whole(today.ctl)}.`;
}

function sentenceOf(today, { newest }) {
  if (newest === null) return "";
  return `Last: ${newest.name}, ${dayWords(newest.on, today.on)}, load ${whole(newest.load)}.`;
}

function dayWords(on, today) {
  const ago = dayNumber(today) - dayNumber(on);
  return ago === 0 ? "today" : ago === 1 ? "yesterday" : weekday(dayNumber(on));
}

const counted = (count) => (count === 1 ? "1 activity" : `${count} activities`);

function weeks(fitness, today) {
  const monday = mondayOf(dayNumber(today));
  const sums = { load: 0, count: 0, loadBefore: 0, countBefore: 0, newest: null };
  for (const bar of fitness.activities) {
    const number = dayNumber(bar.on);
    if (number >= monday) {
      sums.load += bar.load;
      sums.count += 1;
    } else if (number >= monday - 7) {
      sums.loadBefore += bar.load;
      sums.countBefore += 1;
    }
    if (sums.newest === null || bar.on >= sums.newest.on) sums.newest = bar;
  }
  return sums;
}

function isYoung(fitness) {
  const first = fitness.days.findIndex((day) => day.load > 0);
  return first >= 0 && fitness.days.length - first < SETTLED_DAYS;
}

function tile(name, value, more, key) {
  return element("div", { class: "tile", "data-key": key },
    element("span", {}, name), element("strong", {}, value), more && element("span", { class: "small" }, more));
}

/** Where form lies between heavy load and long rested; the words beside it say the same. */
function formScale(form) {
  const mark = element("span", { class: "mark" });
  mark.style.insetInlineStart = `${(100 * (Math.min(Math.max(form, -SCALE), SCALE) + SCALE)) / (2 * SCALE)}%`;
  const zones = FORMS.toReversed().map(({ from, words }, at, all) => {
    const [low, high] = [Math.max(from, -SCALE), Math.min(all[at + 1]?.from ?? SCALE, SCALE)];
    const zone = element("span", { class: words === formWords(form) ? "zone here" : "zone" });
    zone.style.flexGrow = String(high - low);
    return zone;
  });
  return element("div", { class: "scale", "aria-hidden": "true" }, zones, mark);
}
