// What the account was told of its credit. Where it was told nothing, there is nothing to see.
import {asked, button, byId, element, p} from "./parts.js";
import {localTime, longDay} from "./days.js";
import {showMovements} from "./movements.js";

const TITLES = {low_balance: "Your balance is low", empty_soon: "Your credit is soon gone", unusual_spending: "Unusual spending"};
const OF_USER = "user:";

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
  if (alert.window_to !== null) whole.append(button("Show the movements", () => showBehind(alert), "line"));
  return whole;
}

// Of the days of the alert's window, and of its user if it is about one.
function showBehind(alert) {
  const from = localTime(alert.window_from).slice(0, 10), to = localTime(Date.parse(alert.window_to) - 1).slice(0, 10);
  const user = alert.subject?.startsWith(OF_USER) ? alert.subject.slice(OF_USER.length) : null;
  const days = from === to ? longDay(from) : `${longDay(from)} to ${longDay(to)}`;
  showMovements({from, to, ...(user === null ? {} : {user}), told: [days, ...(user === null ? [] : [`user ${user}`])]});
}
