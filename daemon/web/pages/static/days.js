// The axis of days: numbers since 1970, so that no time zone and no summer time can move a day. It draws nothing.

import { dayNumber, isMonthsFirst, mondayOf, month, monthOfYear, shortDay, year } from "./figures.js";

const MOST_WEEKS = 9;

/** The ticks of an axis: Mondays where it is short, else firsts of months; as many as there is room for. */
function ticksOf(from, to, room) {
  const most = Math.max(2, Math.floor(room / 62));
  if (to - from <= 7 * MOST_WEEKS) {
    const mondays = [];
    for (let at = mondayOf(from + 6); at <= to; at += 7) mondays.push(at);
    return thinned(mondays, most).map((value) => ({ value, label: shortDay(value) }));
  }
  const firsts = [];
  for (let at = Math.ceil(from); at <= to; at += 1) if (isMonthsFirst(at)) firsts.push(at);
  const step = [1, 2, 3, 6, 12, 24, 60].find((months) => firsts.length / months <= most) ?? 120;
  return firsts
    .filter((at) => (year(at) * 12 + monthOfYear(at)) % step === 0)
    .map((value) => ({ value, label: monthOfYear(value) === 0 ? String(year(value)) : month(value) }));
}

const thinned = (values, most) => values.filter((_, at) => at % Math.ceil(values.length / most) === 0);

/** Options of an x axis from day to day. */
export function dayAxis(from, to, colours) {
  return {
    type: "linear",
    offset: false,
    min: from - 0.5,
    max: to + 0.5,
    grid: { color: colours.grid, drawTicks: false, offset: false },
    border: { color: colours.line },
    ticks: { color: colours.soft, maxRotation: 0, autoSkip: false, padding: 6 },
    afterBuildTicks: (scale) => {
      scale.ticks = ticksOf(from, to, scale.width);
    },
    afterTickToLabelConversion: (scale) => {
      const labels = new Map(ticksOf(from, to, scale.width).map((tick) => [tick.value, tick.label]));
      for (const tick of scale.ticks) tick.label = labels.get(tick.value) ?? "";
    },
  };
}

/** The rows of the last so many days up to a day. */
export const since = (rows, today, days) => rows.filter((row) => dayNumber(row.on) > dayNumber(today) - days);
