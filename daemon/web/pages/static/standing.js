// How the athlete's connections and history stand: what must be done, and how far the history has come.

import { byId, element } from "./elements.js";
import { instant } from "./figures.js";

/** Show what there is to say of a Profile above everything else; nothing where all is well. */
export function showStanding(profile) {
  const place = byId("standing");
  const said = [connection(profile), history(profile)].filter(Boolean);
  place.hidden = said.length === 0;
  place.replaceChildren(...said);
  byId("synced").textContent = profile.synced_at === null
    ? "Strava has not been asked yet."
    : `Last compared with Strava ${instant(profile.synced_at)}; ${profile.activities} activities are here.`;
  byId("sync").disabled = profile.state !== "active";
}

function connection(profile) {
  if (profile.state === "needs_authorization") {
    return note("bad", "Strava lets us read nothing any more. ",
      profile.advice ?? "Connect again, and everything goes on where it was.",
      ["/connect", "Connect with Strava again"]);
  }
  if (profile.missing_scopes.length > 0) {
    return note("warn", "Something was not granted. ",
      profile.advice ?? `Missing: ${profile.missing_scopes.join(", ")}.`, ["/connect", "Grant it"]);
  }
  if (profile.intervals === "refused") {
    return note("warn", "Intervals.icu refuses your key. ",
      profile.advice ?? "Give a new one, and wellness goes on where it was.", ["#settings", "To the settings"]);
  }
  return profile.advice ? note("", "", profile.advice, null) : null;
}

function note(look, title, sentence, link) {
  return element("div", { class: `card note ${look}` },
    element("p", {}, title && element("strong", {}, title), sentence),
    link && element("a", { class: "button", href: link[0] }, link[1]));
}

/** Whether it is worth asking again soon. */
export const isUnderWay = (profile) => ["listing", "fetching"].includes(profile.history?.state);

function history(profile) {
  const past = profile.history;
  if (past === null || past.state === "finished") return null;
  if (past.state === "refused") {
    const sentence = past.reason ?? "Try “Sync now” under Settings.";
    return note("warn", "Your history could not be fetched. ", sentence, null);
  }
  const isListing = past.state === "listing";
  const words = isListing
    ? `Looking through your history at Strava: ${past.found || "no"} activities so far.`
    : `${past.done} of ${past.found} activities${until(past)}.`;
  const bar = element("progress", isListing ? {} : { max: Math.max(1, past.found), value: past.done });
  bar.setAttribute("aria-labelledby", "history-title");
  return element("div", { class: "card history" },
    element("h2", { id: "history-title" }, "Your history is on its way"),
    bar,
    element("p", {}, words, past.failed > 0 && ` ${past.failed} could not be read.`),
    element("p", { class: "soft small" },
      "Everything below grows as it arrives. What you do from now on does not wait for it."));
}

function until({ done_at: doneAt }) {
  return doneAt === null ? "" : `; the quota will have carried the rest by about ${instant(doneAt)}`;
}
