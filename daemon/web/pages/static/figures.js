// How numbers, days and instants are written. Speeds come as m/s and are written as paces. It knows no words.

export const NONE = "–";

const rounded = (value, digits) => {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
};

export const whole = (value) => (value === null ? NONE : rounded(value, 0));
export const tenths = (value) => (value === null ? NONE : rounded(value, 1));

/** A change always has its sign, 0 has none. */
export function signed(value, digits = 0) {
  const text = rounded(value, digits);
  return Number(text) > 0 ? `+${text}` : text;
}

const padded = (number) => String(number).padStart(2, "0");

/** 5400 → "1 h 30 min". */
export function duration(seconds) {
  if (seconds === null) return NONE;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}

/** 90 → "1 min 30 s": for the durations of a curve, where seconds matter. */
export function exactly(seconds) {
  if (seconds < 60) return `${seconds} s`;
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  return [hours && `${hours} h`, minutes && `${minutes} min`, rest && `${rest} s`].filter(Boolean).join(" ");
}

const clock = (seconds) => {
  const all = Math.round(seconds);
  return `${Math.floor(all / 60)}:${padded(all % 60)}`;
};

export const perKilometre = (speed) => (speed > 0 ? `${clock(1000 / speed)} /km` : NONE);
export const per100Metres = (speed) => (speed > 0 ? `${clock(100 / speed)} /100 m` : NONE);

/** "4:05" → 245 s; NaN where it is no such thing. */
export function secondsOf(text) {
  const found = /^(\d{1,2}):([0-5]\d)$/.exec(text.trim());
  return found ? Number(found[1]) * 60 + Number(found[2]) : NaN;
}

export function distance(metres) {
  return metres >= 10000 ? `${rounded(metres / 1000, 1)} km` : metres >= 1000 ? `${rounded(metres / 1000, 2)} km`
    : `${whole(metres)} m`;
}

/** By the names that words.js gives: what a value looks like with its unit. */
export const WRITTEN = {
  watts: (value) => `${whole(value)} W`,
  bpm: (value) => `${whole(value)} bpm`,
  pace: perKilometre,
  swim: per100Metres,
  ratio: (value) => rounded(value, 2),
  percent: (value) => `${whole(100 * value)}\u00a0%`,
  duration,
  distance,
  tenths,
  text: (value) => ({ true: "yes", false: "no", null: NONE })[String(value)] ?? String(value),
};

/** A value with ± one standard error; of a pace the error in seconds per km or 100 m. */
export function withError(shows, value, error) {
  if (error === null) return WRITTEN[shows](value);
  if (shows === "watts") return `${whole(value)} ± ${whole(error)} W`;
  if (shows === "bpm") return `${whole(value)} ± ${whole(error)} bpm`;
  const metres = shows === "pace" ? 1000 : 100;
  return `${WRITTEN[shows](value)} ± ${whole((metres * error) / (value * value))} s`;
}

// Days are the athlete's local days and never converted: UTC is only a calendar here.
const calendar = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
const WEEKDAY = calendar({ weekday: "short", day: "numeric", month: "short" });
const FULL = calendar({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
const SHORT = calendar({ day: "numeric", month: "short" });
const MONTH = calendar({ month: "short" });
const DATED = calendar({ day: "numeric", month: "short", year: "numeric" });
const DAY_MILLISECONDS = 86400000;

/** "2026-05-12…" → days since 1970. */
export const dayNumber = (on) => Math.round(Date.parse(`${on.slice(0, 10)}T00:00Z`) / DAY_MILLISECONDS);
const dateOf = (number) => new Date(number * DAY_MILLISECONDS);

export const day = (number) => FULL.format(dateOf(number));
export const weekday = (number) => WEEKDAY.format(dateOf(number));
export const shortDay = (number) => SHORT.format(dateOf(number));
export const dated = (on) => (on <= "1970-01-01" ? "the beginning" : DATED.format(dateOf(dayNumber(on))));
export const month = (number) => MONTH.format(dateOf(number));
export const year = (number) => dateOf(number).getUTCFullYear();
export const isMonthsFirst = (number) => dateOf(number).getUTCDate() === 1;
export const monthOfYear = (number) => dateOf(number).getUTCMonth();
/** Monday of its week. */
export const mondayOf = (number) => number - ((number + 3) % 7);
/** The time on the athlete's watch, which the server sends as it stood there. */
export const watchTime = (localAt) => localAt.slice(11, 16);

const CLOCK = { hour: "2-digit", minute: "2-digit" };
const TIME = new Intl.DateTimeFormat("en-GB", CLOCK);
const INSTANT = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", ...CLOCK });

/** An instant on the visitor's clock; the day where it is not today's. */
export function instant(at, now = new Date()) {
  const then = new Date(at);
  return then.toDateString() === now.toDateString() ? TIME.format(then) : INSTANT.format(then);
}
