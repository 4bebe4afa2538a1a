// Local days as texts, 2026-11-28: the order of the texts is that of the days.
const DAY_MS = 86400000;

export function today() {
  const now = new Date();
  return new Date(Date.UTC(now.getFullYear(), now.getMonth(), now.getDate())).toISOString().slice(0, 10);
}

export function daysBefore(day, count) {
  return new Date(Date.parse(day) - count * DAY_MS).toISOString().slice(0, 10);
}

export function daysOf(from, to) {
  const days = [];
  for (let day = from; day <= to; day = daysBefore(day, -1)) days.push(day);
  return days;
}

export function longDay(day) {
  return new Intl.DateTimeFormat("en-GB", {weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC"}).format(new Date(day));
}

export function shortDay(day) {
  return new Intl.DateTimeFormat("en-GB", {day: "numeric", month: "short", timeZone: "UTC"}).format(new Date(day));
}
