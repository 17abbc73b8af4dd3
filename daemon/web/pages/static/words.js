// What things are called on the page. It knows no numbers' formats (figures.js) and draws nothing.

/** Words for form, from the highest; `from` is the lowest form that is still called so. */
export const FORMS = [
  { from: 25, words: "long rested", range: "above +25" },
  { from: 5, words: "fresh", range: "+5 to +25" },
  { from: -10, words: "in balance", range: "−10 to +5" },
  { from: -30, words: "productive load", range: "−30 to −10" },
  { from: -Infinity, words: "heavy load", range: "below −30" },
];

export const formWords = (form) => FORMS.find((one) => Math.round(form) >= one.from).words;

const METHODS = {
  power: "power",
  pace: "pace",
  swim: "swim pace",
  heart_rate: "heart rate",
  perceived_exertion: "felt effort",
  estimated: "est.",
  none: "no load",
};

export const METHOD_ORDER = Object.keys(METHODS);
export const methodWords = (method) => METHODS[method] ?? spaced(method);

/** What a badge says: an estimate says so, whatever it was made from. */
export function badgeWords(row) {
  if (row.method === null) return row.streams_state === "wanted" ? "on its way" : "no load";
  const words = methodWords(row.method);
  return row.estimated && row.method !== "estimated" ? `${words}, est.` : words;
}

/** The thresholds in the order of the page; `shows` names how figures.js writes their values. */
export const KINDS = {
  ftp: { name: "FTP", shows: "watts", asks: "Value in W, such as 265" },
  critical_speed: { name: "Critical speed", shows: "pace", asks: "Pace in min:s per km, such as 4:05" },
  css: { name: "Critical swim speed", shows: "swim", asks: "Pace in min:s per 100 m, such as 1:42" },
  lthr: { name: "Threshold heart rate", shows: "bpm", asks: "Value in bpm, such as 168" },
  max_hr: { name: "Highest heart rate", shows: "bpm", asks: "Value in bpm, such as 189" },
  resting_hr: { name: "Resting heart rate", shows: "bpm", asks: "Value in bpm, such as 48" },
};

const SOURCES = {
  manual: "set by hand",
  imported: "imported",
  critical_power: "fitted to best efforts",
  critical_speed: "fitted to best efforts",
  best_20_minutes: "from a best 20 minutes",
  best_times: "from best times",
  half_hours_at_threshold: "from half hours at threshold",
  hardest_half_hours: "from the hardest half hours",
  observed: "seen in two activities",
  wellness: "mean of your mornings",
  age: "from your age",
  default: "a common value",
};

export const sourceWords = (method) => SOURCES[method] ?? spaced(method);

/** The names under which loads keep the thresholds that they used, and the kind of each. */
export const USED = {
  ftp_watts: "ftp",
  critical_speed_m_per_s: "critical_speed",
  css_m_per_s: "css",
  lthr_bpm: "lthr",
  max_hr_bpm: "max_hr",
  resting_hr_bpm: "resting_hr",
};

export const SIGNALS = { hrv: "Heart rate variability", resting_hr: "Resting heart rate", sleep: "Sleep" };

/** What a load was made of, and how each is written; what is not here is shown under its own name. */
export const INPUTS = {
  normalized_watts: ["Normalized power", "watts"],
  intensity: ["Intensity (1 is threshold)", "ratio"],
  counted_seconds: ["Time outside pauses", "duration"],
  coverage: ["Known share of that time", "percent"],
  normalized_graded_m_per_s: ["Normalized pace", "pace"],
  grade_model: ["Cost of slopes after", "text"],
  speed_m_per_s: ["Pace", "swim"],
  distance_m: ["Distance", "distance"],
  moving_seconds: ["Moving time", "duration"],
  trimp: ["TRIMP", "tenths"],
  trimp_of_threshold_hour: ["TRIMP of an hour at threshold", "tenths"],
  exponents: ["Exponents for", "text"],
  sex: ["Sex", "text"],
  heart_rate_known_seconds: ["Time with a heart rate", "duration"],
  perceived_exertion: ["Perceived exertion, of 10", "tenths"],
  active_seconds: ["Duration", "duration"],
  load_per_hour: ["Usual load of an hour", "tenths"],
  mets: ["Energy cost in MET", "tenths"],
  sport_is_known: ["Is the sport known?", "text"],
};

/** A name of the code as words: `heart_rate` → "heart rate", `GravelRide` → "Gravel ride". */
export function spaced(name) {
  const words = String(name).replaceAll("_", " ").replace(/([a-z])([A-Z])/g, "$1 $2");
  return words.charAt(0) + words.slice(1).toLowerCase();
}

/** Entries in the order of a list of names; what is not in it comes last. The database keeps none of its own. */
export function inOrder(entries, names) {
  const place = (name) => (names.includes(name) ? names.indexOf(name) : names.length);
  return entries.toSorted(([one], [other]) => place(one) - place(other));
}

const ON_FOOT = new Set(["Run", "TrailRun", "VirtualRun", "Walk", "Hike", "Snowshoe"]);

export const isOnFoot = (sport) => ON_FOOT.has(sport);
export const isInWater = (sport) => sport === "Swim";
