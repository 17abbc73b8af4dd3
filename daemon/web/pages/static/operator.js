// The operator's page: asks how everything stands every few seconds while somebody looks, and does what he says.

import { about as aboutText, athletes, backfill, dead, eventsSay, eventsTable, health, queue, quota, subscription, timers, troubles } from "./operator-view.js";
import { clock, h, prose, replace, tick, when } from "./operator-dom.js";
import { drawEvents } from "./operator-chart.js";

const EVERY_MS = 5000;
const ANSWER_WITHIN_MS = 15000;
const MOST_DEAD = 200;
const SAID_FOR_MS = 20000;

const page = document.getElementById("operator");
const mayOperate = page.dataset.mayOperate === "yes";
const csrf = document.querySelector("meta[name=csrf]").content;
const drawn = new Map(); // what each part was last drawn from
let tag = null;
let newest = null;
let deadWanted = 0; // more than the overview brings, once somebody asks for more
let timer = null;
let asked = 0;
let ended = false;
let heardAt = null;
let silence = null;

// ── looking ───────────────────────────────────────────────────────────────────────────────────────────

async function look({ anew = false } = {}) {
  clearTimeout(timer);
  const mine = (asked += 1);
  const heard = await ask(anew).catch(() => null);
  if (mine !== asked) return; // somebody has asked again meanwhile: that answer counts
  // Before anything is drawn, so that a slip in drawing does not end the looking.
  if (!ended && !document.hidden) timer = setTimeout(look, EVERY_MS);
  if (heard?.status === 401) return signedOut();
  if (heard?.status !== 200 && heard?.status !== 304) return unreached(mine);
  if (heard.date) clock.ahead = heard.date - Date.now();
  if (heard.found) {
    tag = heard.tag;
    newest = heard.found;
  }
  heardAt = new Date(Date.now() + clock.ahead).toISOString();
  reached();
  draw(newest, heard.more);
}

async function ask(anew) {
  const headers = { Accept: "application/json" };
  if (anew) headers["Cache-Control"] = "no-cache";
  if (tag) headers["If-None-Match"] = tag;
  const answer = await fetch("/overview", { headers, cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  return {
    status: answer.status,
    date: Date.parse(answer.headers.get("Date") ?? ""),
    tag: answer.headers.get("ETag"),
    found: answer.status === 200 ? await answer.json() : null,
    more: deadWanted && answer.status < 400 ? await moreDead() : null,
  };
}

async function moreDead() {
  const answer = await fetch(`/jobs?state=dead&limit=${deadWanted}`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  return answer.ok ? answer.json() : null;
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden && !ended) look();
});

function signedOut() {
  ended = true;
  clearTimeout(timer);
  replace(document.getElementById("lost"), h("p", { class: "note warn" }, "Your sign-in has ended. ", h("a", { href: "/operator/sign-in" }, "Sign in again"), "; what is shown below may be old."));
}

function reached() {
  const lost = document.getElementById("lost");
  if (lost.childElementCount) lost.replaceChildren();
  page.classList.remove("old");
}

/** Say that nothing is heard; where the daemon lives, health knows why. */
async function unreached(mine) {
  let headline = "The daemon does not answer.";
  let told = ["Is the service up? ", h("code", {}, "systemctl status domestique"), ". This page goes on trying."];
  try {
    const report = await (await fetch("/health", { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })).json();
    const worst = report.checks.find((check) => check.status === "failing");
    headline = worst ? `Not everything works: ${worst.name.replaceAll("_", " ")}.` : "The daemon could not say how everything stands.";
    told = worst ? [`${worst.value}. `, h("strong", {}, "Do: "), prose(worst.advice), "."] : ["This page goes on trying; the log has request.broke."];
  } catch {
    // Nobody is there: what is said already.
  }
  if (mine !== asked) return;
  document.getElementById("verdict").textContent = headline;
  document.getElementById("health").dataset.status = "failing";
  document.title = "(!) Operator · Domestique";
  if (heardAt) document.getElementById("about").replaceChildren("Last heard of ", when(heardAt), ".");
  const lost = document.getElementById("lost");
  const note = h("p", { class: "note bad" }, told, newest ? " What is shown below is old." : null);
  if (lost.textContent !== note.textContent) lost.replaceChildren(note);
  page.classList.add("old");
}

// ── drawing ───────────────────────────────────────────────────────────────────────────────────────────

function part(name, facts, build) {
  const text = JSON.stringify(facts);
  if (drawn.get(name) === text) return;
  drawn.set(name, text);
  replace(page.querySelector(`[data-part="${name}"]`), ...[build()].flat(Infinity));
}

function draw(found, more) {
  const section = document.getElementById("health");
  const verdict = document.getElementById("verdict");
  section.dataset.status = found.health.status;
  if (verdict.textContent !== found.health.says) verdict.textContent = found.health.says;
  const troubled = found.health.troubled.length;
  document.title = `${troubled ? `(${troubled}) ` : ""}Operator · Domestique`;
  document.getElementById("about").textContent = aboutText(found);
  const deadPage = more ?? found.queue.dead;
  part("health", found.health, () => health(found.health));
  part("dead", [deadPage, found.queue.kinds.map((kind) => [kind.kind, kind.dead])], () => dead(deadPage, found.queue.kinds, actions));
  part("troubles", found.troubles, () => troubles(found.troubles));
  part("quota", found.quota, () => quota(found.quota));
  part("queue", found.queue.kinds, () => queue(found.queue.kinds));
  part("events-say", found.events, () => eventsSay(found.events));
  part("events-table", found.events.minutes, () => eventsTable(found.events));
  part("timers", found.timers, () => timers(found.timers, actions));
  part("athletes", found.athletes, () => athletes(found.athletes));
  part("subscription", found.subscription, () => subscription(found.subscription));
  part("backfill", found.backfill, () => backfill(found.backfill));
  drawEvents(found.events.minutes);
  tick(page);
  page.dataset.drawn = "yes";
}

// ── acting ────────────────────────────────────────────────────────────────────────────────────────────

function say(sentence, kind = "good") {
  const said = document.getElementById("said");
  said.className = `said ${kind}`;
  said.textContent = sentence;
  clearTimeout(silence);
  silence = setTimeout(() => (said.textContent = ""), SAID_FOR_MS);
}

/** Do one thing, say what became of it, and look what it has changed. */
async function act(method, address, button, done) {
  if (button.disabled || button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true"); // and not disabled, which would lose the focus
  try {
    const answer = await fetch(address, { method, headers: { "X-CSRF-Token": csrf }, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    const body = await answer.json();
    if (answer.ok) say(done(body));
    else say(`Not done: ${body.detail ?? body.title ?? `the daemon answered ${answer.status}`}`, "bad");
    if (answer.status === 401) signedOut();
  } catch {
    say("No answer came, so it may or may not be done: look again in a moment.", "bad");
  }
  button.removeAttribute("aria-disabled");
  await look({ anew: true });
}

async function confirmed(sentence) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-text").textContent = sentence;
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  return dialog.returnValue === "yes";
}

const actions = mayOperate && {
  retry: (job, button) => act("POST", `/jobs/${job.job_id}/retry`, button, () => `Job ${job.job_id} is queued again.`),
  retryAll: (kind, button) => act("POST", `/jobs/retry?kind=${kind}`, button, (body) => `${body.retried} of ${kind} ${body.retried === 1 ? "is" : "are"} queued again.`),
  async drop(job, button) {
    const sentence = `Job ${job.job_id} (${job.kind}) died of: ${job.outcome ?? "nobody wrote down why"}. What it was to do will not be done; a line in the log is all that stays of it.`;
    if (await confirmed(sentence)) await act("DELETE", `/jobs/${job.job_id}`, button, () => `Job ${job.job_id} is dropped.`);
  },
  run: (job, button) => act("POST", `/scheduler/run/${job}`, button, () => `${job} is asked for: a daemon begins it within seconds.`),
  more() {
    deadWanted = Math.min(MOST_DEAD, Math.max(newest.queue.dead.items.length, deadWanted) + 60);
    look();
  },
};

setInterval(() => newest && !document.hidden && tick(page), 1000);
look();
