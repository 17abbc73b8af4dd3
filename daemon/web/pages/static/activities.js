// The list of activities, newest first, by week; older pages come when they are asked for.

import { ask } from "./asking.js";
import { byId, element } from "./elements.js";
import {
  dayNumber, distance, duration, mondayOf, NONE, per100Metres, perKilometre, shortDay, watchTime, weekday, whole,
} from "./figures.js";
import { nothingYet } from "./part.js";
import { badgeWords, isInWater, isOnFoot, spaced } from "./words.js";

const FIRST = 10; // what one wants to see in the morning; the charts below it are not far then
const PAGE = 20;
const MOST_AT_ONCE = 100;

export class ActivityList {
  #section;
  #items = [];
  #next = null;
  #known = null; // ids and loads that were shown before, to mark what is fresh

  constructor(section) {
    this.#section = section;
    byId("more").addEventListener("click", () => this.#loadMore());
  }

  /** The address of the newest page, as long as what is shown, within bounds. */
  path() {
    return `/me/activities?limit=${Math.min(MOST_AT_ONCE, Math.max(FIRST, this.#items.length))}`;
  }

  /** Take the newest page; what is older and was loaded before stays below it. */
  show(page) {
    const oldest = page.items.at(-1);
    const kept = page.next === null || oldest === undefined ? []
      : this.#items.filter((one) => isOlder(one, oldest));
    this.#items = [...page.items, ...kept];
    if (kept.length === 0) this.#next = page.next;
    return this.#draw();
  }

  /** Drop what was deleted, so that it does not stay below the newest page. */
  forget(activityId) {
    this.#items = this.#items.filter((one) => one.activity_id !== activityId);
  }

  /** The activities that `show` found new or changed at its last call. */
  fresh = [];

  #draw() {
    byId("more").hidden = this.#next === null;
    const weeks = this.#section.querySelector(".weeks");
    if (this.#items.length === 0) {
      weeks.replaceChildren();
      this.fresh = [];
      this.#known = new Map();
      return nothingYet("No activities yet.",
        "What you upload to Strava appears here within seconds, with its load and how it was computed.");
    }
    this.fresh = this.#known === null ? []
      : this.#items.filter((one) => this.#known.get(one.activity_id) !== mark(one));
    const fresh = new Set(this.fresh.map((one) => one.activity_id));
    const focused = document.activeElement?.getAttribute("href");
    weeks.replaceChildren(...inWeeks(this.#items).map((week, at, all) =>
      weekOf(week, fresh, at < all.length - 1 || this.#next === null)));
    if (focused?.startsWith("#activity-")) weeks.querySelector(`a[href="${focused}"]`)?.focus();
    this.#known = new Map(this.#items.map((one) => [one.activity_id, mark(one)]));
    return undefined;
  }

  async #loadMore() {
    const more = byId("more");
    more.disabled = true;
    let words = "Show older ones";
    try {
      const page = await ask(`/me/activities?limit=${PAGE}&cursor=${encodeURIComponent(this.#next)}`);
      const shown = new Set(this.#items.map((one) => one.activity_id));
      const older = page.items.filter((one) => !shown.has(one.activity_id));
      this.#items.push(...older);
      this.#next = page.next;
      this.#known = null;
      this.#draw();
      if (older.length) this.#section.querySelector(`a[href="#activity-${older[0].activity_id}"]`)?.focus();
    } catch (trouble) {
      if (trouble.title === undefined) throw trouble;
      words = `${trouble.title}: try again`;
    } finally {
      more.disabled = false;
      more.textContent = words;
    }
  }
}

const mark = (one) => [one.name, one.load, one.method, one.sport_type, one.estimated].join("|");

const isOlder = (one, than) =>
  one.start_at < than.start_at || (one.start_at === than.start_at && one.activity_id < than.activity_id);

function inWeeks(items) {
  const weeks = [];
  for (const one of items) {
    const monday = mondayOf(dayNumber(one.local_start_at));
    if (weeks.at(-1)?.monday === monday) weeks.at(-1).items.push(one);
    else weeks.push({ monday, items: [one] });
  }
  return weeks;
}

/** A week with its sums; of one that goes on in the next page there are none yet. */
function weekOf({ monday, items }, fresh, isWhole) {
  const load = items.reduce((sum, one) => sum + (one.load ?? 0), 0);
  const seconds = items.reduce((sum, one) => sum + one.moving_seconds, 0);
  return element("section", { class: "week" },
    element("h3", {}, `${shortDay(monday)} – ${shortDay(monday + 6)}`,
      isWhole && element("span", { class: "soft sums" }, `load ${whole(load)} · ${duration(seconds)}`)),
    element("ul", {}, items.map((one) => element("li", {}, rowOf(one, fresh.has(one.activity_id))))));
}

function rowOf(one, isFresh) {
  const load = one.load === null ? NONE : whole(one.load);
  return element("a", { class: isFresh ? "activity fresh" : "activity", href: `#activity-${one.activity_id}` },
    element("time", { datetime: one.local_start_at.slice(0, 16) },
      weekday(dayNumber(one.local_start_at)), element("span", { class: "soft" }, watchTime(one.local_start_at))),
    element("span", { class: "what" }, element("strong", {}, one.name || "Without a name"),
      element("span", { class: "soft" }, factsOf(one))),
    element("span", { class: "score" },
      element("span", { class: "sr-only" }, "load "),
      element("strong", { class: one.estimated ? "estimated-value" : null }, load),
      element("span", { class: badgeLook(one) }, badgeWords(one))));
}

export function badgeLook(one) {
  if (one.estimated) return "badge estimated";
  return one.method === null ? "badge warn" : "badge";
}

/** Sport, duration, distance and, where it is one, the pace. */
export function factsOf(one) {
  const facts = [spaced(one.sport_type), duration(one.moving_seconds)];
  if (one.distance_m > 0) facts.push(distance(one.distance_m));
  const speed = one.moving_seconds > 0 ? one.distance_m / one.moving_seconds : 0;
  if (speed > 0 && isOnFoot(one.sport_type)) facts.push(perKilometre(speed));
  if (speed > 0 && isInWater(one.sport_type)) facts.push(per100Metres(speed));
  return facts.join(" · ");
}
