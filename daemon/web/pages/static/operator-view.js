// Draws each part of the operator's page from `/overview`. Refuses to ask for anything: `operator.js` does.

import { badge, behind, count, h, lasting, of, prose, since, span, table, when, wide } from "./operator-dom.js";

const LANES = ["live", "interactive", "scheduled", "backfill"];
const VERDICTS = { ok: ["good", "OK"], warning: ["warn", "WARNING"], failing: ["bad", "FAILING"] };
const STAGES = {
  dead: ["bad", "dead"],
  failed: ["bad", "failed"],
  needs_authorization: ["warn", "needs authorization"],
  refused: ["warn", "refused"],
  retrying: ["busy", "retrying"],
};
// Where on the page a check is told in full.
const PLACES = {
  dead_jobs: ["dead", "Dead jobs"], quota: ["quota", "Quota"], strava_app: ["quota", "Quota"], timers: ["timers", "Timers"],
  inbox: ["events", "Events"], queue: ["queue", "Queue"], subscription: ["subscription", "Push subscription"],
  authorizations: ["troubles", "What fails"], freshness: ["athletes", "Athletes"],
};

const athleteLink = (id, name) => h("a", { href: `/operator/athletes/${id}` }, name ?? `athlete ${id}`);
const verdict = (status) => badge(...VERDICTS[status]);

export function health(found) {
  const rows = found.troubled.map((check) => h("li", { class: `check ${VERDICTS[check.status][0]}` },
    h("p", { class: "row" }, verdict(check.status), h("strong", {}, check.name.replaceAll("_", " ")),
      h("span", { class: "soft small" }, lasting(check.since)),
      PLACES[check.name] ? h("a", { class: "small", href: `#${PLACES[check.name][0]}` }, `see ${PLACES[check.name][1]}`) : null),
    h("p", {}, check.value),
    h("p", { class: "todo" }, h("strong", {}, "Do: "), prose(check.advice))));
  const fine = found.fine.map((name) => name.replaceAll("_", " ")).join(", ");
  return [
    rows.length ? h("ul", { class: "plain checks" }, rows) : null,
    fine ? h("p", { class: "soft small" }, badge("good", "OK"), ` ${fine}. `, h("a", { href: "/health" }, "All checks")) : null,
  ];
}

export function about(found) {
  return `Domestique ${found.version}, up for ${since(found.started_at)}.`;
}

// ── dead jobs and troubles ────────────────────────────────────────────────────────────────────────────

/** `act` has retry, retryAll, drop and more, or is null where nothing may be done. */
export function dead(page, kinds, act) {
  const counts = kinds.filter((kind) => kind.dead > 0);
  const all = counts.reduce((sum, kind) => sum + kind.dead, 0);
  if (all === 0) return calm("Nothing has been given up.");
  const groups = new Map(); // those that died of the same, but for numbers
  for (const job of page.items) {
    const key = `${job.kind} ${(job.outcome ?? "").replace(/\d+/g, "0")}`;
    groups.set(key, [...(groups.get(key) ?? []), job]);
  }
  return [
    act && counts.some((kind) => kind.dead > 1) ? h("p", { class: "row" }, counts.filter((kind) => kind.dead > 1).map((kind) => h("button", { class: "quiet", "data-key": `all-${kind.kind}`, onclick: (event) => act.retryAll(kind.kind, event.currentTarget) }, `Retry all ${count(kind.dead)} of ${kind.kind}`))) : null,
    h("ul", { class: "plain checks" }, [...groups].map(([key, jobs]) => deadGroup(key, jobs, act))),
    page.next ? h("p", { class: "soft small" }, `The newest ${page.items.length} of ${count(all)}. Every one: `, h("code", {}, "domestique jobs dead --most 10000")) : null,
    page.next && act?.more ? h("button", { class: "quiet", "data-key": "more-dead", onclick: act.more }, "Show more") : null,
  ];
}

function deadGroup(key, jobs, act) {
  const [first] = jobs;
  const buttons = (job) => act && h("div", { class: "buttons" },
    h("button", { "data-key": `retry-${job.job_id}`, "aria-label": `Retry job ${job.job_id}`, onclick: (event) => act.retry(job, event.currentTarget) }, "Retry"),
    h("button", { class: "danger", "data-key": `drop-${job.job_id}`, "aria-label": `Drop job ${job.job_id}`, onclick: (event) => act.drop(job, event.currentTarget) }, "Drop"));
  const activity = (job) => job.activity_id ? h("span", { class: "soft small" }, ` activity ${job.activity_id}`) : null;
  const columns = [
    { title: "Job", show: (job) => [`no. ${job.job_id}`, activity(job)] },
    { title: "Athlete", show: (job) => job.athlete_id && athleteLink(job.athlete_id, String(job.athlete_id)) },
    { title: "Died", show: (job) => when(job.died_at) },
    { title: "Attempts", number: true, show: (job) => count(job.attempts) },
  ];
  if (act) columns.push({ title: "", show: buttons });
  const rows = () => table(`Dead jobs of ${first.kind}`, columns, jobs.map((job) => ({ ...job, key: job.job_id })));
  return h("li", { class: "check bad" },
    h("p", { class: "row" }, badge("bad", "dead"), h("strong", {}, first.kind.replaceAll("_", " ")),
      h("span", { class: "soft small" }, jobs.length > 1 ? [of(jobs.length, "job"), ", the last "] : null, when(first.died_at))),
    h("p", {}, first.outcome ?? "nobody wrote down why"),
    first.advice ? h("p", { class: "todo" }, h("strong", {}, "Do: "), prose(first.advice)) : null,
    jobs.length > 1 ? h("details", { "data-key": key }, h("summary", {}, `Each of the ${jobs.length}`), rows()) : h("div", { class: "row", "data-row": first.job_id },
      h("span", {}, `no. ${first.job_id}`, activity(first)), first.athlete_id ? athleteLink(first.athlete_id) : null,
      h("span", { class: "soft" }, `after ${of(first.attempts, "attempt")}`), buttons(first)));
}

function calm(sentence) {
  return h("p", { class: "calm" }, badge("good", "none"), ` ${sentence}`);
}

/** What failed and is not told among the dead. */
export function troubles(found) {
  const others = found.filter((one) => one.stage !== "dead");
  if (others.length === 0) return calm("Nothing else fails, and nobody has to connect again.");
  return h("ul", { class: "plain checks" }, others.map((one) => h("li", { class: `check ${STAGES[one.stage][0]}` },
    h("p", { class: "row" }, badge(...STAGES[one.stage]), h("strong", {}, one.where.replaceAll("_", " ")),
      h("span", { class: "soft small" },
        one.count > 1 ? `${count(one.count)} times` : "once",
        one.newest_at ? [", the last ", when(one.newest_at)] : null,
        one.next_at ? [", again ", when(one.next_at)] : null,
        one.athlete_id ? [one.count > 1 ? ", such as " : ", ", athleteLink(one.athlete_id)] : null)),
    h("p", {}, one.sentence),
    h("p", { class: "todo" }, h("strong", {}, one.stage === "retrying" ? "If it stays: " : "Do: "), prose(one.advice)))));
}

// ── quota ─────────────────────────────────────────────────────────────────────────────────────────────

function gauge(meter) {
  const whole = Math.max(meter.limit, meter.used, 1);
  const parts = LANES.map((lane) => [lane, meter.by_lane[lane]]);
  parts.push(["others", meter.used_by_others]);
  // Charged near a boundary, or a window that Strava has declared spent: nobody's lane.
  parts.push(["unassigned", Math.max(0, meter.used - parts.reduce((sum, [, number]) => sum + number, 0))]);
  const reserve = Math.min(meter.reserved, meter.left);
  const named = parts.filter(([, number]) => number > 0);
  const words = named.map(([name, number]) => `${name} ${number}`).join(", ");
  const share = meter.used / Math.max(1, meter.limit);
  const state = share >= 1 ? badge("bad", "spent") : share >= 0.8 ? badge("warn", "nearly spent") : null;
  return h("div", { class: "gauge" },
    h("div", { class: "row apart" },
      h("strong", {}, `${meter.window}, ${meter.meter}`),
      h("span", { class: "figures" }, `${count(meter.used)} of ${count(meter.limit)}`)),
    h("div", { class: "track", role: "img", "aria-label": `${meter.used} of ${meter.limit} used${words ? `: ${words}` : ""}; ${reserve} kept in reserve` },
      named.map(([name, number]) => wide(h("span", { class: `part ${name}` }), number / whole)),
      wide(h("span", { class: "gap" }), (meter.left - reserve) / whole),
      wide(h("span", { class: "part reserve" }), reserve / whole)),
    h("p", { class: "soft small" }, state, state && " ", `${count(meter.left)} left, starts anew `, when(meter.resets_at)));
}

export function quota(found) {
  const legend = [...LANES, "others", "unassigned", "reserve"].map((name) => h("li", {}, h("span", { class: `swatch ${name}`, "aria-hidden": "true" }), name));
  const lanes = table("Lanes, in order of precedence", [
    { title: "Lane", show: (lane) => lane.lane },
    { title: "State", show: (lane) => lane.open ? badge("good", "open") : [badge("warn", "shut"), ` until `, when(lane.shut_until), h("div", { class: "small" }, lane.reason)] },
    { title: "Quarter", number: true, show: (lane) => count(lane.used_this_quarter) },
    { title: "Today", number: true, show: (lane) => count(lane.used_today) },
    { title: "Jobs waiting", number: true, show: (lane) => count(lane.jobs_waiting) },
    { title: "Calls, about", number: true, show: (lane) => count(lane.calls_waiting) },
    { title: "Done", show: (lane) => when(lane.done_at) },
  ], found.lanes);
  const rows = [["used", (meter) => meter.used], ["limit", (meter) => meter.limit], ...LANES.map((lane) => [lane, (meter) => meter.by_lane[lane]]),
    ["others", (meter) => meter.used_by_others], ["reserve", (meter) => meter.reserved]];
  const meters = table("Requests by window and meter", [
    { title: "", show: ([name]) => name },
    ...found.meters.map((meter) => ({ title: `${meter.window}, ${meter.meter}`, number: true, show: ([, number]) => count(number(meter)) })),
  ], rows);
  const outlook = found.outlook.charAt(0).toUpperCase() + found.outlook.slice(1);
  return [
    h("p", {}, `${outlook}.`, found.limits_learned ? null : " These are the configured limits: Strava's own come with its first answer."),
    h("div", { class: "gauges" }, found.meters.map(gauge)),
    h("ul", { class: "legend small", "aria-label": "What the bars are made of" }, legend),
    behind("meters", meters),
    lanes,
  ];
}

// ── queue, events, timers ─────────────────────────────────────────────────────────────────────────────

export function queue(kinds) {
  if (kinds.length === 0) return h("p", {}, badge("good", "empty"), " No job waits, runs or is dead.");
  return table("By kind and state; failing: tried before, and tried again", [
    { title: "Kind", show: (kind) => h("code", {}, kind.kind) },
    { title: "Queued", number: true, show: (kind) => count(kind.queued) },
    { title: "Running", number: true, show: (kind) => count(kind.running) },
    { title: "Failing", number: true, show: (kind) => count(kind.failing) },
    { title: "Dead", number: true, show: (kind) => kind.dead ? h("a", { href: "#dead" }, count(kind.dead)) : "0" },
    { title: "Oldest due", show: (kind) => when(kind.oldest_due_at) },
  ], kinds);
}

export function eventsSay(found) {
  const all = found.minutes.reduce((sum, minute) => sum + minute.events, 0);
  const ignored = found.minutes.reduce((sum, minute) => sum + minute.ignored, 0);
  return [
    h("p", {}, `${of(all, "event")} in the last hour`, ignored ? `, ${count(ignored)} of them ignored: foreign, malformed, or of nobody connected here` : "", "."),
    h("p", {}, found.unfolded === 0 ? [badge("good", "none waits"), " Every event is folded into a job."] : [
      badge("busy", of(found.unfolded, "unfolded")), " The oldest came ", when(found.oldest_unfolded_at), "."]),
  ];
}

export function eventsTable(found) {
  const rows = found.minutes.filter((minute) => minute.events > 0);
  return behind("minutes", rows.length === 0 ? h("p", { class: "soft" }, "No event came in the last hour.") : table("Minutes with events", [
    { title: "Minute, UTC", show: (minute) => minute.minute_at.slice(11, 16) },
    { title: "Events", number: true, show: (minute) => count(minute.events) },
    { title: "Ignored", number: true, show: (minute) => count(minute.ignored) },
  ], rows));
}

const RUNS = { waiting: ["busy", "waiting"], running: ["busy", "running"], finished: ["good", "finished"], failed: ["bad", "failed"] };

function lastRun(run) {
  if (!run) return h("span", { class: "soft" }, "never ran");
  const figures = run.finished_at ? run.result : `${of(run.considered, "athlete")} considered, ${count(run.synced)} synced, ${count(run.open)} open`;
  return [
    badge(...RUNS[run.state]), " ", when(run.finished_at ?? run.started_at ?? run.due_at),
    h("div", { class: "small" }, figures ?? null),
    run.error ? h("div", { class: "small trouble" }, run.error) : null,
  ];
}

export function timers(found, act) {
  const columns = [
    { title: "Timer", show: (timer) => [h("strong", {}, timer.job.replaceAll("_", " ")), h("div", { class: "soft small" }, `${timer.does}; ${timer.timing.toLowerCase()} (${timer.timezone})`)] },
    { title: "Next", show: (timer) => when(timer.starts_at) ?? h("span", { class: "soft" }, "not planned yet") },
    { title: "Last run", show: (timer) => lastRun(timer.last_run) },
  ];
  if (act) columns.push({ title: "", show: (timer) => {
    const isOpen = timer.last_run !== null && timer.last_run.finished_at === null;
    return h("button", { class: "quiet", "data-key": `run-${timer.job}`, "aria-label": `Run ${timer.job.replaceAll("_", " ")} now`, "aria-disabled": isOpen ? "true" : null, onclick: (event) => act.run(timer.job, event.currentTarget) }, isOpen ? "At work" : "Run now");
  } });
  return table("The scheduled jobs", columns, found.map((timer) => ({ ...timer, key: timer.job })));
}

// ── the fleet ─────────────────────────────────────────────────────────────────────────────────────────

function bandName(band) {
  if (band.to_hours === null) return `over ${band.from_hours} h`;
  return band.from_hours === 0 ? `under ${band.to_hours} h` : `${band.from_hours} to ${band.to_hours} h`;
}

export function athletes(found) {
  const counts = h("p", {}, `${count(found.active)} active`, found.needs_authorization ? [", ", h("a", { href: "/operator/athletes?state=needs_authorization" }, `${count(found.needs_authorization)} need to connect again`)] : null, ". ", h("a", { href: "/operator/athletes" }, "Find one"));
  if (!found.measured_at) return [counts, h("p", { class: "soft" }, "How fresh each is has not been measured yet: that takes a moment after a start.")];
  const rows = [{ name: "proven fresh", athletes: found.proven, late: false }, ...found.bands.map((band) => ({ name: bandName(band), athletes: band.athletes, late: band.from_hours >= 6 }))];
  const most = Math.max(1, ...rows.map((row) => row.athletes));
  const bands = table("For how long news may be unseen", [
    { title: "Unseen for", show: (row) => row.name },
    { title: "Athletes", number: true, show: (row) => count(row.athletes) },
    { title: "", show: (row) => h("div", { class: "bar-room", "aria-hidden": "true" }, wide(h("span", { class: row.late && row.athletes ? "bar late" : "bar" }), row.athletes / most)) },
  ], rows);
  bands.classList.add("kept", "bands");
  const nobody = rows.every((row) => row.athletes === 0);
  const well = nobody ? "Nobody could be looked at when this was measured." : "Webhooks are proven to reach us for everybody.";
  const stalest = found.stalest.length === 0 ? h("p", { class: "soft" }, well) : table("The stalest; each leads to why", [
    { title: "Athlete", show: (one) => athleteLink(one.athlete_id, one.name ?? String(one.athlete_id)) },
    { title: "Unseen since", show: (one) => when(one.unseen_since) },
    { title: "Because", show: (one) => one.reason },
  ], found.stalest);
  return [counts, nobody ? null : bands, stalest, h("p", { class: "soft small" }, "Measured ", when(found.measured_at), ", every two minutes.")];
}

export function subscription(found) {
  const word = found.state ?? (found.subscription_id ? "not looked at" : "not known");
  return [
    h("p", { class: "row" }, badge(VERDICTS[found.status][0], word), found.subscription_id ? h("span", { class: "soft small" }, `no. ${found.subscription_id}`) : null),
    found.detail ? h("p", {}, `${found.detail}.`) : null,
    found.advice ? h("p", { class: "todo" }, h("strong", {}, "Do: "), prose(found.advice)) : null,
    h("p", { class: "soft small" },
      found.checked_at ? ["Looked at ", when(found.checked_at), "."] : "Strava is not asked about it: strava.callback_url is not set.",
      found.verified_at ? [" Last seen at Strava ", when(found.verified_at), "."] : null,
      found.since ? [" The same one for ", span((Date.parse(found.checked_at) - Date.parse(found.since)) / 1000), "."] : null),
  ];
}

export function backfill(found) {
  const open = found.listing + found.fetching;
  const done = Math.max(0, found.found - found.failed - found.left);
  if (open === 0) return h("p", {}, badge("good", "done"), found.finished ? ` ${of(found.finished, "history", "histories")} fetched.` : " Nobody's history was asked for.", found.refused ? ` ${count(found.refused)} refused: the athletes did not grant it.` : null);
  const left = `${found.left_at_least ? "at least " : ""}${of(found.left, "activity", "activities")} to fetch`;
  return [
    h("p", {}, badge("busy", "under way"), ` ${of(open, "history", "histories")}: ${count(found.listing)} being listed, ${count(found.fetching)} being fetched; ${count(found.finished)} done.`),
    h("progress", { max: Math.max(1, found.found), value: found.left_at_least ? null : done, "aria-label": "Activities of histories fetched" }),
    h("p", {}, left, found.done_at ? [", done about ", when(found.done_at), " if all else stays as it is."] : "; nobody can tell yet when it is done."),
    found.refused ? h("p", { class: "soft small" }, `${count(found.refused)} refused: the athletes did not grant it.`) : null,
  ];
}
