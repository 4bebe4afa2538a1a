// Local days and times as texts, 2026-11-28: the order of the texts is that of the days.
import {timeZone} from "./parts.js";

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

// As in the file: seconds are cut, not rounded.
export function localTime(instant) {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  }).formatToParts(new Date(instant));
  const {year, month, day, hour, minute, second} = Object.fromEntries(parts.map((part) => [part.type, part.value]));
  return `${year}-${month}-${day} ${hour}:${minute}:${second}`;
}
