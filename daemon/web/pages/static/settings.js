// What the athlete can do himself: look for news at once, set thresholds by hand, connect Intervals.icu.

import { ask } from "./asking.js";
import { byId, element } from "./elements.js";
import { dated, secondsOf, WRITTEN } from "./figures.js";
import { KINDS } from "./words.js";

const byHand = byId("by-hand");
const intervals = byId("intervals");

/** Make the settings work; `changed(names)` is told which parts of the page are to be loaded again. */
export function setUpSettings(changed) {
  const { kind } = byHand.elements;
  kind.replaceChildren(...Object.entries(KINDS).map(([value, { name }]) => element("option", { value }, name)));
  const askFor = () => {
    byId("by-hand-unit").textContent = KINDS[kind.value].asks;
  };
  kind.addEventListener("change", askFor);
  askFor();

  byId("sync").addEventListener("click", () => attempt(byId("sync"), "sync-outcome", async () => {
    const { says } = await ask("/me/sync", { method: "POST" });
    changed(["profile"]);
    return says;
  }));
  byHand.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(event.submitter, "by-hand-outcome", () => setByHand(changed));
  });
  intervals.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(event.submitter, "intervals-outcome", async () => {
      const { key } = intervals.elements;
      if (!key.value.trim()) return refuse(key, "Paste the API key first: Intervals.icu shows it in its settings.");
      await ask("/me/intervals", { method: "PUT", body: { api_key: key.value.trim() } });
      intervals.reset();
      changed(["profile", "wellness"]);
      return "Connected. The first days appear in a moment.";
    });
  });
  byId("intervals-remove").addEventListener("click", (event) =>
    attempt(event.currentTarget, "intervals-outcome", async () => {
      await ask("/me/intervals", { method: "DELETE" });
      changed(["profile"]);
      return "The key is forgotten. What was read with it stays.";
    }));
}

/** Show how Intervals.icu stands. */
export function showIntervals(profile) {
  byId("intervals-state").textContent = {
    active: "Connected: mornings arrive by themselves.",
    refused: "Intervals.icu refuses the key that you gave: give a new one.",
    "not connected": "Not connected. Your API key stands in the settings of Intervals.icu, below “Developer”.",
  }[profile.intervals];
  byId("intervals-remove").hidden = profile.intervals === "not connected";
}

/** Show the values that the athlete set, each with a way to take it back. */
export function showManual(thresholds, changed) {
  const rows = thresholds.history.filter((row) => row.method === "manual" && row.withdrawn_at === null);
  byId("manual").replaceChildren(...rows.map((row) => {
    const { name, shows } = KINDS[row.kind];
    const button = element("button", { type: "button", class: "quiet small" }, "Withdraw",
      element("span", { class: "sr-only" }, ` ${name} from ${dated(row.effective_on)}`));
    button.addEventListener("click", () => attempt(button, "by-hand-outcome", async () => {
      await ask(`/me/thresholds/${row.kind}?from=${row.effective_on}`, { method: "DELETE" });
      changed(["thresholds", "power", "pace"]);
      return `${name} from ${dated(row.effective_on)} was withdrawn. Loads since then are computed again.`;
    }));
    return element("li", { class: "row apart" },
      element("span", {}, `${name} ${WRITTEN[shows](row.value)} from ${dated(row.effective_on)}`), button);
  }));
}

async function setByHand(changed) {
  const { kind, value, from } = byHand.elements;
  const { name, shows } = KINDS[kind.value];
  const number = numberOf(value.value, shows);
  if (!(number > 0)) return refuse(value, `${KINDS[kind.value].asks}: that is what is understood here.`);
  value.removeAttribute("aria-invalid");
  const body = from.value ? { value: number, from: from.value } : { value: number };
  await ask(`/me/thresholds/${kind.value}`, { method: "PUT", body });
  const written = WRITTEN[shows](number);
  byHand.reset();
  byHand.elements.kind.dispatchEvent(new Event("change"));
  changed(["thresholds", "power", "pace"]);
  return `${name} is ${written} now. Loads since its day are computed again.`;
}

/** A number, or of a pace its speed in m/s; NaN where the text is neither. */
function numberOf(text, shows) {
  const metres = { pace: 1000, swim: 100 }[shows];
  return metres === undefined ? Number(text.replace(",", ".")) : metres / secondsOf(text);
}

class Refusal extends Error {}

function refuse(field, sentence) {
  field.setAttribute("aria-invalid", "true");
  field.focus();
  throw new Refusal(sentence);
}

/** The server's own name of a threshold as it is called on the page. */
function named(detail) {
  const [first] = detail.split(" ", 1);
  return first.toLowerCase() in KINDS ? KINDS[first.toLowerCase()].name + detail.slice(first.length) : detail;
}

/** Do something that a button asks for, and say how it went. */
async function attempt(button, outcomeId, deed) {
  const outcome = byId(outcomeId);
  button.disabled = true;
  outcome.className = "outcome";
  outcome.textContent = "…";
  try {
    outcome.textContent = await deed();
  } catch (error) {
    outcome.classList.add("bad");
    outcome.textContent = error.title ? `${error.title}. ${named(error.detail)}` : error.message;
    if (!(error instanceof Refusal) && error.title === undefined) throw error;
  } finally {
    button.disabled = false;
  }
}
