// Listens to the athlete's news, and says which parts of the page they concern. It loads nothing by itself.

import { byId } from "./elements.js";

const GATHER_MILLISECONDS = 250; // what comes together is one change
const LEAST_MILLISECONDS = 2000; // a history that arrives makes many news a second
const LONGEST_MILLISECONDS = 60000;

/** Which parts a piece of news concerns. */
const CONCERNS = {
  "activity.processed": ["activities", "fitness", "profile", "power", "pace"],
  "activity.deleted": ["activities", "fitness", "profile", "power", "pace"],
  "fitness.changed": ["fitness"],
  "thresholds.changed": ["thresholds", "power", "pace"],
  "thresholds.doubted": ["thresholds"],
  "loads.recomputed": ["activities", "fitness"],
  "wellness.changed": ["wellness", "fitness"],
  "intervals.refused": ["profile"],
  "athlete.connected": ["profile"],
  "athlete.synced": ["profile"],
  "athlete.needs_authorization": ["profile"],
  "athlete.disconnected": ["profile"],
  resync: ["profile", "activities", "fitness", "power", "pace", "thresholds", "wellness"],
};

/** Listen; `heard(parts, news)` gets the names of the parts and what was said, gathered. */
export class News {
  #heard;
  #parts = new Set();
  #news = [];
  #timer = null;
  #toldAt = -LEAST_MILLISECONDS;
  #failures = 0;
  #wasLost = false;
  #isOver = false;
  #source = null;

  constructor(heard) {
    this.#heard = heard;
    window.addEventListener("online", () => this.#source?.readyState === EventSource.CLOSED && this.listen());
  }

  listen() {
    this.#source?.close();
    if (this.#isOver) return;
    const source = (this.#source = new EventSource("/me/live"));
    source.addEventListener("open", () => {
      this.#failures = 0;
      say("live", "Live");
      if (this.#wasLost) this.#hear("resync", {}); // a new stream does not know what the old one has told
      this.#wasLost = false;
    });
    source.addEventListener("error", () => {
      say("lost", "Not live; trying again");
      if (source.readyState !== EventSource.CLOSED) return; // the browser comes back, and says what it heard last
      if (!this.#wasLost) this.#heard(["profile"], []); // the session may have ended: then this says so
      this.#wasLost = true;
      this.#failures += 1;
      const wait = Math.min(LONGEST_MILLISECONDS, 1000 * 2 ** this.#failures) * (0.5 + Math.random() / 2);
      setTimeout(() => this.#source === source && this.listen(), wait);
    });
    for (const topic of Object.keys(CONCERNS)) {
      source.addEventListener(topic, (event) => this.#hear(topic, event.data ? JSON.parse(event.data) : {}));
    }
  }

  /** Stop for good, as somebody who is not signed in any more hears nothing. */
  end() {
    this.#isOver = true;
    this.#source?.close();
    say("over", "Not live");
  }

  #hear(topic, body) {
    for (const part of CONCERNS[topic]) this.#parts.add(part);
    this.#news.push({ topic, body });
    if (this.#timer !== null) return;
    const wait = Math.max(GATHER_MILLISECONDS, this.#toldAt + LEAST_MILLISECONDS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#toldAt = performance.now();
      const [parts, news] = [[...this.#parts], this.#news];
      this.#parts = new Set();
      this.#news = [];
      this.#heard(parts, news);
    }, wait);
  }
}

function say(state, words) {
  const place = byId("live");
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  place.textContent = words;
}
