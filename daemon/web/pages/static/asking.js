// Asks the server for JSON. What it refuses comes as a Trouble with its own sentences. It retries nothing.

const csrf = document.querySelector('meta[name="csrf"]')?.content ?? "";

/** Why there is no answer: `title` in words, `detail` what to do. */
export class Trouble extends Error {
  constructor(title, detail, status) {
    super(title);
    this.title = title;
    this.detail = detail;
    this.status = status;
  }
}

/** Ask; `body` is sent as JSON. Raises Trouble. Nobody signed in: the page is told, by the event `signed-out`. */
export async function ask(path, { method = "GET", body } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Trouble("The server cannot be reached", "Look whether you are online, then try again.", 0);
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  if (answer.status === 401) document.dispatchEvent(new Event("signed-out"));
  const told = await answer.json().catch(() => ({}));
  throw new Trouble(
    told.title ? capital(told.title) : `The server answered ${answer.status}`,
    told.detail ? `${capital(told.detail)}${/[.!?…]$/.test(told.detail) ? "" : "."}` : "Try again in a moment.",
    answer.status,
  );
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
