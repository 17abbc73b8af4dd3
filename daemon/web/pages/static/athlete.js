// The athlete's page: puts its parts together, loads them, and loads again what news concern.

import { ActivityList } from "./activities.js";
import { ask } from "./asking.js";
import { CurveChart } from "./curves.js";
import { byId, element } from "./elements.js";
import { followAddress, refreshExplanation } from "./explanation.js";
import { whole } from "./figures.js";
import { FitnessChart } from "./fitness.js";
import { News } from "./live.js";
import { Part } from "./part.js";
import { setUpSettings, showIntervals, showManual } from "./settings.js";
import { isUnderWay, showStanding } from "./standing.js";
import { ThresholdChart } from "./thresholds.js";
import { showNoToday, showToday, spoken } from "./today.js";
import { WellnessChart } from "./wellness.js";

const HISTORY_MILLISECONDS = 10000;

const fitnessChart = new FitnessChart(byId("fitness"), () => load(["fitness"]));
const activityList = new ActivityList(byId("activities"));
const powerChart = new CurveChart(byId("power"));
const paceChart = new CurveChart(byId("pace"));
const thresholdChart = new ThresholdChart(byId("thresholds"));
const wellnessChart = new WellnessChart(byId("wellness"), () => load(["wellness"]));

const parts = {
  fitness: new Part(byId("fitness"), () => fitnessChart.path(), (fitness) => {
    showToday(byId("today"), fitness);
    return fitnessChart.show(fitness);
  }),
  activities: new Part(byId("activities"), () => activityList.path(), (page) => activityList.show(page)),
  power: new Part(byId("power"), "/me/curves/power", (curves) => powerChart.show(curves)),
  pace: new Part(byId("pace"), "/me/curves/pace", (curves) => paceChart.show(curves)),
  thresholds: new Part(byId("thresholds"), "/me/thresholds", (thresholds) => {
    showManual(thresholds, (names) => load(names));
    return thresholdChart.show(thresholds);
  }),
  wellness: new Part(byId("wellness"), () => wellnessChart.path(), (wellness) => wellnessChart.show(wellness)),
  profile: { load: loadProfile },
};

let historyTimer = null;

/** The profile has no section of its own: it is told in several places, and asked for again where that fails. */
async function loadProfile() {
  clearTimeout(historyTimer);
  let profile;
  try {
    profile = await ask("/me");
  } catch (trouble) {
    if (trouble.title === undefined) throw trouble;
    if (trouble.status !== 401) historyTimer = setTimeout(loadProfile, HISTORY_MILLISECONDS);
    return false;
  }
  showStanding(profile);
  showIntervals(profile);
  byId("today-title").textContent = profile.name ? `${profile.name}, today` : "Today";
  if (isUnderWay(profile)) historyTimer = setTimeout(loadProfile, HISTORY_MILLISECONDS);
  return true;
}

/** Load parts, and tell today's form even where it cannot be told; returns the names of those that failed. */
async function load(names) {
  const done = await Promise.all(names.map((name) => parts[name].load()));
  const failed = names.filter((_, at) => !done[at]);
  if (failed.includes("fitness") && parts.fitness.data === null) showNoToday(byId("today"));
  return failed;
}

/** Load what news concern, mark what is fresh, and say it in a sentence. */
async function follow(names, news) {
  for (const { topic, body } of news) {
    if (topic === "activity.processed") refreshExplanation(body.activity_id);
    if (topic === "activity.deleted") activityList.forget(body.activity_id);
  }
  const failed = await load(names);
  const has = (name) => names.includes(name) && !failed.includes(name);
  const sentences = [];
  if (has("activities")) {
    const fresh = activityList.fresh;
    if (fresh.length === 1) sentences.push(`${fresh[0].name}: ${loadWords(fresh[0])}.`);
    else if (fresh.length > 1) sentences.push(`${fresh.length} activities are new or changed.`);
    if (news.some(({ topic }) => topic === "activity.deleted")) sentences.push("An activity was deleted.");
  }
  if (news.some(({ topic }) => topic === "thresholds.changed")) sentences.push("A threshold changed.");
  if (has("fitness")) sentences.push(spoken(parts.fitness.data));
  if (sentences.length > 0 && !news.every(({ topic }) => topic === "resync")) tell(sentences.join(" "));
}

const loadWords = (one) => (one.load === null ? "the load follows" : `load ${whole(one.load)}`);

function tell(sentence) {
  const place = byId("news");
  place.textContent = sentence;
  place.classList.remove("fresh");
  void place.offsetWidth; // an animation that is to run again must first be gone
  place.classList.add("fresh");
}

const news = new News(follow);

document.addEventListener("signed-out", () => {
  news.end();
  clearTimeout(historyTimer);
  const place = byId("standing");
  place.hidden = false;
  place.replaceChildren(element("div", { class: "card note warn", role: "alert" },
    element("p", {}, element("strong", {}, "You are signed out. "), "Sign in with Strava to go on."),
    element("a", { class: "button", href: "/" }, "To the first page")));
});

// Who comes back in the morning to a page that was left open sees the morning.
let seenOn = new Date().toDateString();
document.addEventListener("visibilitychange", () => {
  if (document.hidden || new Date().toDateString() === seenOn) return;
  seenOn = new Date().toDateString();
  load(Object.keys(parts));
});

setUpSettings((names) => load(names));
followAddress();
news.listen();
// What is looked at first is loaded first.
const failed = [
  ...await load(["profile", "fitness", "activities"]),
  ...await load(["power", "pace", "thresholds", "wellness"]),
];
if (failed.length > 0) tell("Not everything could be loaded: each part that is missing says why.");
