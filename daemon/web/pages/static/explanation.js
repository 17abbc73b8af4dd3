// The dialog that explains one activity's load: the sentence first, then all that it was made of.

import { badgeLook, factsOf } from "./activities.js";
import { ask } from "./asking.js";
import { byId, element, scrolling, table } from "./elements.js";
import { dayNumber, instant, NONE, signed, tenths, watchTime, weekday, whole, WRITTEN } from "./figures.js";
import {
  badgeWords, inOrder, INPUTS, KINDS, METHOD_ORDER, methodWords, SIGNALS, sourceWords, spaced, USED,
} from "./words.js";

const ADDRESS = /^#activity-(\d{1,19})$/;
const dialog = byId("explanation");
const body = dialog.querySelector(".body");
let shownId = null;

/** Follow the address: `#activity-ID` opens the dialog, anything else closes it. */
export function followAddress() {
  const found = ADDRESS.exec(location.hash);
  if (found) open(found[1]);
  else if (dialog.open) dialog.close();
}

/** Explain again, where it is this activity that is shown. */
export function refreshExplanation(activityId) {
  if (dialog.open && shownId === String(activityId)) fill(shownId);
}

window.addEventListener("hashchange", followAddress);
dialog.addEventListener("close", () => {
  const closed = shownId;
  shownId = null;
  if (ADDRESS.test(location.hash)) history.replaceState(null, "", location.pathname);
  // The row may have been drawn anew meanwhile, so the browser's own return of the focus may miss it.
  document.querySelector(`.activity[href="#activity-${closed}"]`)?.focus();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside the dialog
});

function open(activityId) {
  shownId = activityId;
  byId("explanation-title").textContent = "Activity";
  body.replaceChildren(element("p", { class: "sr-only" }, "Loading …"), skeleton());
  if (!dialog.open) dialog.showModal();
  byId("explanation-title").focus();
  fill(activityId);
}

const skeleton = () => element("div", { class: "skeleton", "aria-hidden": "true" },
  element("span"), element("span"), element("span"));

async function fill(activityId) {
  let told;
  try {
    told = await ask(`/me/activities/${activityId}`);
  } catch (trouble) {
    if (shownId === activityId) refuse(activityId, trouble);
    return;
  }
  if (shownId !== activityId) return; // another was opened meanwhile
  byId("explanation-title").textContent = told.activity.name || "Without a name";
  body.replaceChildren(...explained(told));
}

function refuse(activityId, trouble) {
  const again = element("button", { type: "button", class: "quiet" }, "Try again");
  again.addEventListener("click", () => fill(activityId));
  const isGone = trouble.status === 404;
  body.replaceChildren(element("div", { class: "note bad", role: "alert" },
    element("p", {}, element("strong", {}, isGone ? "This activity is not here. " : `${trouble.title}. `),
      isGone ? "It may have been deleted at Strava." : trouble.detail), isGone ? null : again));
}

function explained({ activity, strava_url, load, quality, ...facts }) {
  const when = weekday(dayNumber(activity.local_start_at));
  return [
    element("p", { class: "soft" }, `${when}, ${watchTime(activity.local_start_at)} · ${factsOf(activity)}`),
    load === null ? waiting(activity) : verdict(activity, load),
    measured(facts),
    load && inputs(load),
    load && thresholds(load),
    load && wellness(load),
    load && refused(load),
    recording(quality),
    element("p", { class: "row apart" },
      element("a", { class: "strava", href: strava_url, target: "_blank", rel: "noopener noreferrer" },
        "View on Strava"),
      load && element("span", { class: "soft small" },
        `Computed ${instant(load.computed_at)}, version ${load.version}`)),
  ].filter(Boolean);
}

function waiting(activity) {
  return element("p", { class: "note" }, activity.streams_state === "wanted"
    ? "The recording is not here yet. The load follows by itself as soon as Strava has it ready."
    : "There is no load for this activity.");
}

function verdict(activity, load) {
  const shown = { ...activity, method: load.method, estimated: load.estimated };
  const value = load.load === null ? NONE : whole(load.load);
  return element("div", { class: "verdict" },
    element("p", { class: "total" }, element("span", {}, "Load "),
      element("strong", { class: load.estimated ? "estimated-value" : null }, value), " ",
      element("span", { class: badgeLook(shown) }, badgeWords(shown))),
    element("p", {}, load.explanation),
    load.raw !== null && load.modifier !== 1 && element("p", { class: "soft" },
      `${tenths(load.raw)} as measured × ${load.modifier.toFixed(3)} for the wellness of the day`
        + ` = ${tenths(load.load)}.`));
}

function section(title, ...inner) {
  return element("section", {}, element("h3", {}, title), inner);
}

function pairs(entries) {
  return element("dl", { class: "pairs" }, entries.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function measured(facts) {
  const entries = [
    ["Mean power", facts.average_watts, "watts"],
    ["Mean heart rate", facts.average_heart_rate, "bpm"],
    ["Climbed", facts.elevation_gain_m || null, "distance"],
  ].filter(([, value]) => value !== null);
  return entries.length ? pairs(entries.map(([name, value, shows]) => [name, WRITTEN[shows](value)])) : null;
}

function inputs(load) {
  const known = Object.entries(load.inputs).filter(([, value]) => value !== null);
  const entries = inOrder(known, Object.keys(INPUTS));
  if (entries.length === 0) return null;
  return section("What it was made of", pairs(entries.map(([name, value]) => {
    const [words, shows] = INPUTS[name] ?? [spaced(name), typeof value === "number" ? "tenths" : "text"];
    return [words, WRITTEN[shows](value)];
  })));
}

function thresholds(load) {
  if (load.thresholds.length === 0) return null;
  return section("Thresholds in force that day", pairs(load.thresholds.map((used) => {
    const kind = KINDS[USED[used.name] ?? used.name];
    const value = kind ? WRITTEN[kind.shows](used.value) : `${tenths(used.value)} ${used.unit}`;
    const isGuess = used.method === "default";
    return [kind?.name ?? spaced(used.name), [
      element("span", { class: isGuess ? "estimated-value" : null }, value), " ",
      element("span", { class: "soft" }, sourceWords(used.method))]];
  })));
}

function wellness(load) {
  const told = load.modifier_parts.filter((part) => part.recent_readings > 0 || part.baseline_readings > 0);
  const rows = told.map((part) => [SIGNALS[part.signal] ?? spaced(part.signal), levelOf(part, part.recent_mean),
    levelOf(part, part.baseline_mean), part.z === null ? NONE : signed(part.z, 1), percent(part.adds)]);
  return section("Wellness of the day", element("p", {}, load.modifier_explanation),
    rows.length > 0 && scrolling("Signals of wellness", table(
      "Each signal of the last week against the two months before",
      ["Signal", "Week", "As usual", "Deviations", "Adds"], rows, [1, 2, 3, 4])));
}

/** A mean in the signal's own unit; of the variability it is kept as a logarithm. */
function levelOf(part, mean) {
  if (mean === null) return "too few";
  return part.signal === "hrv" ? `${whole(Math.exp(mean))} ms`
    : part.signal === "sleep" ? `${tenths(mean)} h` : `${tenths(mean)} bpm`;
}

const percent = (share) => (share === 0 ? "nothing" : `${signed(100 * share, 1)} %`);

function refused(load) {
  const entries = inOrder(Object.entries(load.refused), METHOD_ORDER);
  if (entries.length === 0) return null;
  return section("Better methods, and why they could not be used",
    pairs(entries.map(([method, reason]) => [methodWords(method), reason])));
}

function recording(quality) {
  if (quality === null) return null;
  const sentences = quality.sentences ?? [];
  return section("The recording", sentences.length
    ? element("ul", {}, sentences.map((sentence) => element("li", {}, sentence)))
    : element("p", {}, "Nothing had to be repaired."));
}
