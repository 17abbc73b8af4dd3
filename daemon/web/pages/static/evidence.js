// One row of an athlete's thresholds, told: its value, how it came about, and what it rests on.

import { element } from "./elements.js";
import { dated, exactly, tenths, withError, WRITTEN } from "./figures.js";
import { inOrder, KINDS, sourceWords, spaced } from "./words.js";

const STATES = { "in force": "good", suggested: "estimated", withdrawn: "", past: "", "to come": "warn" };
const HIDDEN = new Set(["points", "set_aside", "activities", "half_hours", "by_work", "newest_on", "covariance"]);
const LISTED = {
  reserve: "Capacity above it (W′, D′)",
  reserve_error: "Standard error of that",
  estimate: "The data said",
  heart_rate_share: "Share of the heart rate reserve in the hardest effort",
  best_20_minutes_watts: "Best 20 minutes",
  reserve_m: "Reserve in m",
  seconds_200: "Best 200 m in s",
  seconds_400: "Best 400 m in s",
  age_years: "Age",
  lowest_bpm: "Lowest morning",
  highest_bpm: "Highest morning",
};

/** A list item for one ThresholdRow; `isOpen` shows its evidence at once. */
export function evidenceOf(row, isOpen) {
  const { shows } = KINDS[row.kind];
  return element("li", {},
    element("details", { open: isOpen },
      element("summary", {},
        element("strong", { class: row.assumed ? "estimated-value" : null },
          withError(shows, row.value, row.standard_error)),
        element("span", { class: "soft" }, ` from ${dated(row.effective_on)}, ${sourceWords(row.method)} `),
        element("span", { class: `badge ${STATES[row.state]}` }, row.state),
        row.assumed && element("span", { class: "badge estimated" }, "assumed")),
      element("p", {}, row.explanation),
      rests(row.evidence, shows),
      element("p", { class: "soft small" }, `Written ${dated(row.written_on)}`,
        row.withdrawn_at && `, withdrawn ${dated(row.withdrawn_at)}`, ".")));
}

function rests(evidence, shows) {
  const plain = Object.entries(evidence).filter(([name, value]) =>
    !HIDDEN.has(name) && ["number", "string"].includes(typeof value));
  const said = inOrder(plain, Object.keys(LISTED));
  const efforts = [
    ...(evidence.points ?? []).map((point) => [point.activity_id,
      `${exactly(point.seconds)}: ${WRITTEN[shows](point.value)}`]),
    ...(evidence.half_hours ?? []).map((one) => [one.activity_id, `half an hour at ${WRITTEN.bpm(one.bpm)}`]),
    ...(evidence.activities ?? []).map((activityId) => [activityId, "an activity it rests on"]),
    ...(evidence.set_aside ?? []).map((one) => [one.activity_id ?? one,
      `${one.local_on ? `${dated(one.local_on)}, ` : ""}set aside until a second one agrees`]),
  ];
  return [
    said.length > 0 && element("dl", { class: "pairs" }, said.map(([name, value]) => element("div", {},
      element("dt", {}, LISTED[name] ?? spaced(name)), element("dd", {}, written(name, value, shows))))),
    efforts.length > 0 && element("ul", { class: "efforts" }, efforts.map(([id, words]) =>
      element("li", {}, element("a", { href: `#activity-${id}` }, words)))),
  ];
}

function written(name, value, shows) {
  if (typeof value === "string") return value;
  if (name === "heart_rate_share") return WRITTEN.percent(value);
  if (name === "estimate") return WRITTEN[shows](value);
  if (name.startsWith("reserve") && name !== "reserve_m") {
    return shows === "watts" ? `${tenths(value / 1000)} kJ` : `${Math.round(value)} m`;
  }
  return name.endsWith("watts") ? WRITTEN.watts(value) : name.endsWith("bpm") ? WRITTEN.bpm(value) : tenths(value);
}
