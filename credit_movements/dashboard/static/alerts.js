// What the account was told of its credit. Where it was told nothing, there is nothing to see.
import {asked, button, byId, element, p} from "./parts.js";
import {localTime, longDay} from "./days.js";
import {showMovements} from "./movements.js";

const TITLES = {low_balance: "Your balance is low", empty_soon: "Your credit is soon gone", unusual_spending: "Unusual spending"};
const OF_USER = "user:", OF_COUNTRY = "country:";

export async function showAlerts() {
  try {
    const alerts = await asked("alerts", {});
    byId("alerts").hidden = alerts.length === 0;
    byId("alerts-told").replaceChildren(...alerts.map(item));
  } catch { /* They are told by mail too, and are here the next time. */ }
}

function item(alert) {
  const whole = element("li", "");
  const time = Object.assign(element("time", localTime(alert.raised_at)), {dateTime: alert.raised_at, className: "soft"});
  whole.append(element("h3", TITLES[alert.kind] ?? alert.kind), time, p(alert.message));
  if (alert.window_to !== null) whole.append(button(linkOf(alert), () => showBehind(alert), "line"));
  return whole;
}

function daysOf(alert) {
  return [alert.window_from, Date.parse(alert.window_to) - 1].map((time) => localTime(time).slice(0, 10));
}

// A country has many prefixes, and movements are chosen by one: those of a country are not shown apart.
function linkOf(alert) {
  if (!alert.subject?.startsWith(OF_COUNTRY)) return "Show the movements";
  const [from, to] = daysOf(alert);
  return from === to ? "Show the day's movements" : "Show the movements of these days";
}

// Of the days of the alert's window, and of its user if it is about one.
function showBehind(alert) {
  const [from, to] = daysOf(alert);
  const user = alert.subject?.startsWith(OF_USER) ? alert.subject.slice(OF_USER.length) : null;
  const days = from === to ? longDay(from) : `${longDay(from)} to ${longDay(to)}`;
  showMovements({from, to, ...(user === null ? {} : {user}), told: [days, ...(user === null ? [] : [`user ${user}`])]});
}
