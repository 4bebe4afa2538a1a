// The bars of the days, stacked by type, by Chart.js; and the same by keyboard, told to a screen reader.
import {byId} from "./parts.js";
import {height, money} from "./money.js";
import {longDay, shortDay} from "./days.js";

const MOST_OF_NAME = 24;
let chart = null, days = [], types = [], currency = "", onChosen = () => {};
// Where the keyboard is: a day, and a type of it or null for the whole day.
let place = null;

// `shownTypes`: name, colour (a number) and byDay (day to nanos) of each. `chosen` is called with a day, and a type or null.
export function drawBars(shownDays, shownTypes, shownCurrency, chosen) {
  [days, types, currency, onChosen, place] = [shownDays, shownTypes, shownCurrency, chosen, null];
  if (chart === null) begin();
  paint();
}

function begin() {
  chart = new Chart(byId("bars"), {
    type: "bar",
    data: {labels: [], datasets: []},
    options: {
      responsive: true, maintainAspectRatio: false, animation: false,
      interaction: {mode: "index", intersect: false},
      onClick: click,
      plugins: {
        legend: {display: false},
        tooltip: {
          filter: (item) => spent(item.datasetIndex, item.dataIndex) !== 0n,
          callbacks: {
            title: ([item]) => (item === undefined ? "" : longDay(days[item.dataIndex])),
            label: (item) => ` ${short(types[item.datasetIndex].name)}: ${money(spent(item.datasetIndex, item.dataIndex), currency)}`,
            footer: ([item]) => (item === undefined ? "" : `Together: ${money(together(item.dataIndex), currency)}`),
          },
        },
      },
      scales: {
        x: {stacked: true, grid: {display: false}, ticks: {maxRotation: 0, autoSkipPadding: 12, callback: (at) => shortDay(days[at])}},
        y: {stacked: true, beginAtZero: true, title: {display: true}, border: {display: false}},
      },
    },
  });
  byId("chart").addEventListener("keydown", key);
  byId("chart").addEventListener("blur", () => point([]));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

// The colours are those of the style sheet, by day and by night.
function paint() {
  const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
  chart.data.labels = days;
  chart.data.datasets = types.map((type) => ({
    label: type.name,
    data: days.map((day) => height(type.byDay.get(day) ?? 0n)),
    backgroundColor: colour(`--colour-${type.colour}`),
    hoverBorderColor: colour("--ink"), hoverBorderWidth: 2,
    borderColor: colour("--paper"), borderWidth: {top: 1}, borderSkipped: false,
    maxBarThickness: 44,
  }));
  const {x, y} = chart.options.scales;
  for (const scale of [x, y]) scale.ticks.color = colour("--soft");
  Object.assign(y.title, {text: currency, color: colour("--soft")});
  y.grid = {color: colour("--line")};
  const tip = chart.options.plugins.tooltip;
  Object.assign(tip, {backgroundColor: colour("--ink"), titleColor: colour("--paper"), bodyColor: colour("--paper"), footerColor: colour("--paper"), multiKeyBackground: colour("--ink")});
  chart.update();
}

// A tip is one line a type, and no wider than the chart.
function short(name) { return name.length > MOST_OF_NAME ? `${name.slice(0, MOST_OF_NAME - 1)}…` : name; }
function spent(type, day) { return types[type].byDay.get(days[day]) ?? 0n; }
function together(day) { return types.reduce((sum, _, type) => sum + spent(type, day), 0n); }

function click(event) {
  const [bar] = chart.getElementsAtEventForMode(event, "nearest", {intersect: true}, false);
  const [column] = chart.getElementsAtEventForMode(event, "index", {intersect: false}, false);
  if (bar !== undefined) onChosen(days[bar.index], types[bar.datasetIndex].name);
  else if (column !== undefined && together(column.index) !== 0n) onChosen(days[column.index], null);
}

function key(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if ((event.key === "Enter" || event.key === " ") && place !== null) {
    event.preventDefault();
    onChosen(days[place.day], place.type === null ? null : types[place.type].name);
    return;
  }
  const next = moved(event.key);
  if (next === null) return;
  event.preventDefault();
  place = next;
  tell();
}

function moved(pressed) {
  const last = days.length - 1;
  const now = place ?? {day: last + 1, type: null};
  const onDay = (day) => ({day: Math.min(last, Math.max(0, day)), type: null});
  const steps = {ArrowLeft: () => onDay(now.day - 1), ArrowRight: () => onDay(place === null ? 0 : now.day + 1), Home: () => onDay(0), End: () => onDay(last)};
  if (pressed in steps) return steps[pressed]();
  if (place === null || (pressed !== "ArrowUp" && pressed !== "ArrowDown")) return null;
  // From the whole day up through its types, the lowest of the stack first.
  const stops = [null, ...types.keys()].filter((type) => type === null || spent(type, place.day) !== 0n);
  const at = stops.indexOf(place.type) + (pressed === "ArrowUp" ? 1 : -1);
  return {day: place.day, type: stops[Math.min(stops.length - 1, Math.max(0, at))]};
}

function tell() {
  const {day, type} = place;
  point((type === null ? [...types.keys()] : [type]).map((datasetIndex) => ({datasetIndex, index: day})));
  const parts = type === null
    ? [money(together(day), currency), ...types.filter((_, each) => spent(each, day) !== 0n).map((each) => `${each.name} ${money(each.byDay.get(days[day]), currency)}`)]
    : [`${types[type].name} ${money(spent(type, day), currency)}`];
  byId("chart-told").textContent = `${longDay(days[day])}: ${parts.join(", ")}`;
}

function point(elements) {
  chart.setActiveElements(elements);
  chart.tooltip.setActiveElements(elements, {x: 0, y: 0});
  chart.update();
}
