// The movements behind a bar, or the newest of all; and behind each of them why it is what it is.
import {NO_ANSWER, asked, box, button, byId, element, p, table, timeZone, words} from "./parts.js";
import {localTime} from "./days.js";
import {money, nanos} from "./money.js";

// `chosen`: days (from, to), a description, a user or a destination, and how that is `told`; null for the newest of all.
let chosen = null, lines = [], turn = 0;

// `follow`: the reader wants to see them now.
export function showMovements(wanted = null, {follow = wanted !== null} = {}) {
  chosen = wanted;
  lines = [];
  byId("lines-title").textContent = chosen === null ? "Newest movements" : "Movements";
  byId("chosen").replaceChildren(...(chosen === null ? [] : [
    ...chosen.told.map((text) => Object.assign(element("span", text), {className: "chip"})),
    Object.assign(button("Show the newest of all", () => { showMovements(); byId("movements").focus(); }), {id: "unchoose"}),
  ]));
  if (follow) {
    byId("movements").focus();
    byId("movements").scrollIntoView({block: "start"});
  }
  return more();
}

byId("older").addEventListener("click", more);

async function more() {
  const mine = ++turn, last = lines.at(-1);
  byId("older").hidden = true;
  const {told, ...query} = chosen ?? {};
  if (query.from !== undefined) query.time_zone = timeZone;
  if (last !== undefined) Object.assign(query, {before_at: last.occurred_at, before_id: last.movement_id});
  try {
    const found = await asked("lines", query);
    if (mine !== turn) return;
    lines.push(...found.lines);
    render(found.more);
  } catch (error) {
    if (mine === turn) byId("lines").replaceChildren(box("failed", "The movements cannot be shown", [p(error.message)]));
  }
}

function render(isMore) {
  byId("no-lines").hidden = lines.length > 0;
  byId("no-lines").textContent = chosen === null ? "There are none yet." : "There are none of this choice.";
  byId("older").hidden = !isMore;
  const heads = [`Date & Time (${timeZone})`, "Interaction ID", "Description", "User", "Number", "Credit movement"];
  byId("lines").replaceChildren(...(lines.length > 0 ? [Object.assign(table(heads, lines.map(line)), {className: "moved"})] : []));
}

function line(moved) {
  const nano = nanos(moved.credit_movement), amount = element("td", money(nano, moved.currency));
  const why = button(moved.interaction_id, () => explain(moved), "line");
  why.title = "Explain this movement";
  why.dataset.id = moved.movement_id;
  amount.className = nano > 0n ? "amount gained" : "amount";
  return [localTime(moved.occurred_at), why, moved.description, moved.user_id ?? "", called(moved), amount];
}

// The number, and what the rate calls where it is.
function called(moved) {
  const cell = words("td", moved.destination ?? "");
  if (moved.destination !== null && moved.destination_name) cell.append(" ", Object.assign(element("span", moved.destination_name), {className: "soft"}));
  return cell;
}

async function explain(moved) {
  byId("explanation").hidden = false;
  byId("explanation-title").textContent = `Why ${moved.interaction_id} is ${moved.credit_movement} ${moved.currency}`;
  byId("explained").replaceChildren(p("Looking it up…"));
  byId("explanation").focus();
  try {
    byId("explained").replaceChildren(...explained(await asked("explanation", {id: moved.movement_id, time_zone: timeZone})));
  } catch (error) {
    byId("explained").replaceChildren(p(error.message ?? NO_ANSWER));
  }
}

function explained(found) {
  const parts = [words("p", `${found.why}. ${found.event.topic}/${found.event.partition}@${found.event.offset}${found.event.at === null ? "" : ", " + found.event.at}`)];
  if (found.disagreements !== null && found.disagreements.length > 0)
    parts.push(box("failed", "The ledger and the published prices disagree", found.disagreements.map(p)));
  parts.push(table(["Step", "Value", "Why"], found.steps.map((step) => [step.name, step.value, step.why])));
  parts.push(element("h3", "The line in your file"), Object.assign(words("p", found.csv_line ?? "None: a movement of 0 is in no file."), {className: "raw"}));
  if (found.adjustments.length > 0) {
    parts.push(element("h3", "Adjustments"), table(["Date & Time (UTC)", "Kind", "Amount"], found.adjustments.map((each) =>
      [each.occurred_at.slice(0, 19).replace("T", " "), each.kind, `${each.amount} ${each.currency}`])));
    if (found.adjusted.exceeds) parts.push(p("Together they exceed the movement."));
  }
  if (found.copies.length > 0)
    parts.push(element("h3", "Other records of this id"), table(["Place", "What became of it"], found.copies.map((each) =>
      [`${each.topic}/${each.partition}@${each.offset}`, each.why])));
  if (found.exports !== null && found.exports.length > 0)
    parts.push(element("h3", "Files that have it"), table(["Asked for (UTC)", "File"], found.exports.map((each) =>
      [each.requested_at.slice(0, 19).replace("T", " "), each.file_name])));
  return parts;
}
