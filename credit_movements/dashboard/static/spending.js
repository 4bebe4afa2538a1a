// Where the credit went: the balance, the days of a period by type, and who and what it was spent on most.
import {account, asked, box, button, byId, element, p, table, timeZone} from "./parts.js";
import {height, money, nanos, number} from "./money.js";
import {daysBefore, daysOf, longDay, today} from "./days.js";
import {drawBars} from "./bars.js";
import {showMovements} from "./movements.js";

// They have a colour each, whatever else an account uses; the others follow by name.
const WELL_KNOWN = ["call", "sms", "whatsapp", "mms", "ai-voice-agents", "stt"];
const COLOURS = 10, USUAL_DAYS = 30;
// `answer`: of the newest question, for the days from `from` to `to`. `left`: the types that the reader took out. `only`: the
// user and the destination (a prefix of numbers) that alone are shown.
let from, to, answer = null, currency = null, turn = 0;
const only = {};
const left = new Set();

export function showSpending() {
  const query = new URLSearchParams(location.search);
  const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text ?? "") && !Number.isNaN(Date.parse(text));
  to = isDay(query.get("to")) ? query.get("to") : today();
  from = isDay(query.get("from")) ? query.get("from") : daysBefore(to, USUAL_DAYS);
  for (const kind of ["user", "destination"]) if (query.get(kind)) only[kind] = query.get(kind);
  (query.get("without") ?? "").split(",").filter(Boolean).forEach((type) => left.add(type));
  byId("period").addEventListener("change", () => {
    if (byId("period").value === "") return byId("from").focus();
    to = today();
    from = daysBefore(to, Number(byId("period").value));
    load();
  });
  for (const end of ["from", "to"]) byId(end).addEventListener("change", () => {
    if (byId("from").value === "" || byId("to").value === "") return;
    [from, to] = [byId("from").value, byId("to").value];
    load();
  });
  byId("currency").addEventListener("change", () => {
    currency = byId("currency").value;
    render();
  });
  load();
  showTheirMovements();
}

async function load() {
  const mine = ++turn;
  showPeriod();
  remember();
  byId("spending").setAttribute("aria-busy", "true");
  try {
    const found = await asked("spending", {from, to, time_zone: timeZone, ...only});
    // Who chose another period meanwhile sees that one.
    if (mine !== turn) return;
    answer = found;
    byId("spending-told").replaceChildren();
    render();
  } catch (error) {
    if (mine !== turn) return;
    byId("spending-told").replaceChildren(box("failed", "Your spending cannot be shown", [p(error.message), button("Try again", load)]));
    await showNoPeriod(mine);
  }
  if (mine === turn) byId("spending").removeAttribute("aria-busy");
}

function showPeriod() {
  const usual = [...byId("period").options].find((each) => each.value !== "" && to === today() && from === daysBefore(to, Number(each.value)));
  byId("period").value = usual === undefined ? "" : usual.value;
  byId("from").value = from;
  byId("to").value = to;
}

// So that the page can be opened again as it is.
function remember() {
  const query = {account, ...only};
  if (byId("period").value !== String(USUAL_DAYS)) Object.assign(query, {from, to});
  if (left.size > 0) query.without = [...left].join(",");
  history.replaceState(null, "", "?" + new URLSearchParams(query));
}

function render() {
  showBalance(answer.balances);
  chooseCurrency();
  const rows = answer.days.filter((row) => row.currency === currency);
  const types = typesOf(rows);
  const shown = types.filter((type) => !left.has(type.name));
  showFigures(rows, types, shown);
  showTypes(types);
  const hasSpent = types.length > 0;
  for (const id of ["chart", "chart-keys"]) byId(id).hidden = !hasSpent;
  byId("days-shown").hidden = rows.length === 0;
  if (hasSpent) drawBars(daysOf(from, to), shown, currency, choose);
  showDays(rows, shown);
  showOnly();
  // They are added up by day and not by type: see `spent` of the backend.
  for (const note of document.querySelectorAll(".of-all-types")) note.hidden = shown.length === types.length;
  showMost("users", "user", "No user");
  showMost("destinations", "destination", "Any number, or none");
}

// Nothing of another period stands below these days. A balance is of no period.
async function showNoPeriod(mine) {
  answer = null;
  for (const id of ["chart", "chart-keys", "days-shown", "types", "currency-label", "currency"]) byId(id).hidden = true;
  for (const id of ["figures", "days", "users", "destinations", "chart-told"]) byId(id).replaceChildren();
  for (const note of document.querySelectorAll(".of-all-types")) note.hidden = true;
  showOnly();
  try {
    const {balances} = await asked("balance", {});
    if (mine === turn) showBalance(balances);
  } catch (error) {
    if (mine === turn) byId("balance").replaceChildren(Object.assign(p(error.message), {className: "soft"}));
  }
}

function showBalance(balances) {
  const count = balances.reduce((sum, each) => sum + each.movements, 0);
  const after = count === 0 ? "There are no movements yet." : `after ${number(count)} movement${count === 1 ? "" : "s"}`;
  byId("balance").replaceChildren(...balances.map(balance), Object.assign(p(after), {className: "soft"}));
}

// What is less than a cent is there, and small.
function balance(each) {
  const amount = nanos(each.balance), text = money(amount, each.currency), cents = text.indexOf(".") + 3, end = text.indexOf(" ");
  const whole = Object.assign(p(text.slice(0, cents)), {className: amount < 0n ? "balance below" : "balance"});
  whole.append(element("small", text.slice(cents, end)), text.slice(end));
  return whole;
}

function chooseCurrency() {
  const all = [...new Set([...answer.days, ...answer.balances].map((each) => each.currency))].sort();
  if (!all.includes(currency)) currency = answer.balances.length > 0 ? answer.balances.reduce((a, b) => (b.movements > a.movements ? b : a)).currency : all[0];
  byId("currency-label").hidden = byId("currency").hidden = all.length < 2;
  byId("currency").replaceChildren(...all.map((each) => new Option(each, each, false, each === currency)));
}

// What was charged of each type by day: positive where credit was spent.
function typesOf(rows) {
  const types = new Map();
  for (const row of rows) {
    const spent = -nanos(row.charges);
    if (spent === 0n) continue;
    if (!types.has(row.description)) types.set(row.description, {name: row.description, byDay: new Map(), total: 0n});
    const type = types.get(row.description);
    type.byDay.set(row.day, spent);
    type.total += spent;
  }
  const others = [...types.keys()].filter((name) => !WELL_KNOWN.includes(name)).sort();
  const order = [...WELL_KNOWN, ...others];
  return [...types.values()]
    .map((type) => ({...type, colour: order.indexOf(type.name) % COLOURS}))
    .sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

function showFigures(rows, types, shown) {
  const sum = (name) => rows.reduce((total, row) => total + nanos(row[name]), 0n);
  const spent = shown.reduce((total, type) => total + type.total, 0n);
  const figures = [[shown.length === types.length ? "Spent" : "Spent on these types", spent], ["Topped up", sum("top_ups")], ["Adjusted", sum("adjustments")]];
  byId("figures").replaceChildren(...(rows.length === 0 ? [element("dt", "There are no movements in this period.")] : figures.flatMap(([name, amount]) =>
    [element("dt", name), element("dd", money(amount, currency))])));
}

function showTypes(types) {
  byId("types").hidden = types.length < 2;
  const kept = document.activeElement?.dataset?.type;
  byId("types").replaceChildren(element("legend", "Types"), ...types.map((type) => {
    const label = element("label", ""), check = document.createElement("input");
    Object.assign(check, {type: "checkbox", checked: !left.has(type.name)});
    check.dataset.type = type.name;
    check.addEventListener("change", () => {
      if (check.checked) left.delete(type.name); else left.add(type.name);
      remember();
      render();
    });
    const colour = Object.assign(element("span", ""), {className: `swatch colour-${type.colour}`});
    label.append(check, colour, type.name);
    return label;
  }));
  if (kept !== undefined) [...byId("types").querySelectorAll("input")].find((each) => each.dataset.type === kept)?.focus();
}

function showDays(rows, shown) {
  const days = [...new Set(rows.map((row) => row.day))].sort().reverse();
  const of = (day, name) => rows.reduce((total, row) => (row.day === day ? total + nanos(row[name]) : total), 0n);
  const cell = (amount) => Object.assign(element("td", amount === 0n ? "" : money(amount, currency)), {className: "amount"});
  const whole = table(["Day", ...shown.map((type) => type.name), "Topped up", "Adjusted", "All together"], days.map((day) => [
    button(day, () => choose(day, null), "line word"),
    ...shown.map((type) => cell(type.byDay.get(day) ?? 0n)),
    cell(of(day, "top_ups")), cell(of(day, "adjustments")), cell(of(day, "net")),
  ]));
  whole.setAttribute("aria-labelledby", "spending-title");
  byId("days").replaceChildren(whole);
}

function showOnly() {
  byId("only").replaceChildren(...Object.entries(only).map(([kind, key]) => button(`Only ${toldOf(kind, key)} ✕`, () => chooseOnly(kind, key), "chip")));
}

function toldOf(kind, key) {
  if (kind === "user") return `user ${key}`;
  const name = answer?.destination_names[key];
  return `numbers that begin with +${key}${name === undefined ? "" : ` (${name})`}`;
}

// The second time takes the choice back.
function chooseOnly(kind, key) {
  if (only[kind] === key) delete only[kind]; else only[kind] = key;
  byId("spending-title").focus();
  load();
  showTheirMovements();
}

function showTheirMovements() {
  const told = [`${longDay(from)} to ${longDay(to)}`, ...toldOfOnly()];
  showMovements(Object.keys(only).length === 0 ? null : {from, to, ...only, told}, {follow: false});
}

function toldOfOnly() { return Object.entries(only).map(([kind, key]) => toldOf(kind, key)); }

function showMost(id, kind, nobody) {
  const rows = answer[id].filter((row) => row.currency === currency);
  const largest = rows.reduce((most, row) => (row.others === 0 && -nanos(row.charges) > most ? -nanos(row.charges) : most), 1n);
  if (rows.length === 0) return byId(id).replaceChildren(Object.assign(p("Nothing was spent in this period."), {className: "soft"}));
  const most = table([kind === "user" ? "User" : "Numbers that begin with", "Spent"], rows.map((row) => {
    const spent = -nanos(row.charges), name = element("td", "");
    name.append(row.key === null ? (row.others > 0 ? `${number(row.others)} others` : nobody) : choiceOf(kind, row.key));
    if (kind === "destination" && row.key in answer.destination_names) name.append(" ", Object.assign(element("span", answer.destination_names[row.key]), {className: "soft"}));
    if (row.others === 0) name.append(share(spent, largest));
    return [name, Object.assign(element("td", money(spent, currency)), {className: "amount"})];
  }));
  byId(id).replaceChildren(Object.assign(most, {className: "most"}));
}

function choiceOf(kind, key) {
  const choice = button(kind === "user" ? key : "+" + key, () => chooseOnly(kind, key), "line");
  choice.setAttribute("aria-pressed", String(only[kind] === key));
  return choice;
}

function share(spent, largest) {
  const bar = Object.assign(element("div", ""), {className: "share"});
  bar.style.width = `${100 * height(spent) / height(largest)}%`;
  return bar;
}

function choose(day, type) {
  const chosen = {from: day, to: day, ...only, told: [longDay(day), ...toldOfOnly()]};
  showMovements(type === null ? chosen : {...chosen, description: type, told: [...chosen.told, type]});
}
