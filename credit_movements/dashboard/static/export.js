// The export button: a click, what becomes of it, and the download.
import {TRY_AGAIN, account, box, button, byId, div, element, p, timeZone} from "./parts.js";
import {number} from "./money.js";

const BUSY_POLL_MS = 700, CALM_POLL_MS = 8000, UNCONFIRMED_MS = 90000;
// `last`: what the server says of the last export. `click`: one that the server does not know yet.
let last = null, click = null, trouble = null, shown = "", timer = 0;

export function showExport() {
  byId("export").addEventListener("click", ask);
  refresh();
}

function isBusy() {
  return click !== null || (last !== null && (last.state === "waiting" || last.state === "running"));
}

async function ask() {
  trouble = null;
  click = click || {since: Date.now(), before: last === null ? undefined : last.export_id};
  render();
  try {
    const answer = await fetch("export", {
      method: "POST",
      headers: {"Content-Type": "application/json"},
      body: JSON.stringify({account, time_zone: timeZone}),
    });
    if (!answer.ok) throw new Error((await answer.json()).error);
  } catch (error) {
    click = null;
    trouble = error instanceof TypeError ? "The server does not answer. " + TRY_AGAIN : error.message;
  }
  refresh();
}

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch("export?" + new URLSearchParams({account}));
    if (answer.ok) take(await answer.json());
  } catch { /* Away for a moment: what is shown stays, and the next time comes. */ }
  render();
  clearTimeout(timer);
  timer = setTimeout(refresh, isBusy() ? BUSY_POLL_MS : CALM_POLL_MS);
}

function take(state) {
  last = state;
  byId("told").dataset.state = state.state;
  if (click !== null && click.before === undefined && (state.state === "completed" || state.state === "failed")) {
    // Clicked before anything was known: all that is certain is what comes after this.
    click.before = state.export_id;
  }
  const isKnown = state.state === "waiting" || state.state === "running"
    || (state.export_id !== null && click !== null && state.export_id !== click.before);
  if (isKnown) click = null;
  if (click !== null && Date.now() - click.since > UNCONFIRMED_MS) {
    click = null;
    trouble = "Your request could not be confirmed. " + TRY_AGAIN;
  }
}

function render() {
  const kind = trouble !== null ? "trouble" : isBusy() ? "processing" : last === null ? "none" : last.state;
  const rows = kind === "processing" && last !== null && last.rows_written > 0 ? last.rows_written : 0;
  byId("rows").hidden = rows === 0;
  byId("rows").textContent = `${number(rows)} movements written so far`;
  // Only what is new is rendered: a screen reader says it once, and nobody loses the focus.
  const next = JSON.stringify([kind, trouble, kind === "processing" ? "" : last]);
  if (next === shown) return;
  shown = next;
  byId("told").replaceChildren(...notice(kind));
}

function notice(kind) {
  if (kind === "processing") {
    // However often one clicks: a second click starts nothing, and says nothing else.
    const text = "This can take some minutes. You may leave this page: we send you an e-mail when the file is ready.";
    return [box("processing", "Your export is being processed", [p(text), div("working")])];
  }
  if (kind === "completed" && last.download_url === null) {
    return [box("", "The link of your last export no longer works", [p("Export again to get a new file.")])];
  }
  if (kind === "completed") {
    return [box("completed", "Your export is ready", [facts(), download()])];
  }
  if (kind === "failed" || kind === "trouble") {
    return [box("failed", "The export did not work", [p(trouble ?? last.error_message), tryAgain()])];
  }
  return [];
}

function facts() {
  const zone = last.time_zone || "UTC";
  const list = document.createElement("dl");
  const lines = {
    "File": last.file_name,
    "Period": `${day(last.period_from, zone)} – ${day(last.period_to, zone)} (${zone})`,
    "Movements": number(last.row_count),
    "Size": size(last.size_bytes),
    "Link works until": moment(last.expires_at, zone),
  };
  for (const [name, value] of Object.entries(lines)) list.append(element("dt", name), element("dd", value));
  return list;
}

function download() {
  const link = element("a", "Download Export");
  link.className = "button first";
  link.id = "download";
  link.href = last.download_url;
  link.setAttribute("download", "");
  return link;
}

function tryAgain() {
  return Object.assign(button("Try again", ask), {id: "again"});
}

function day(iso, zone) {
  return new Intl.DateTimeFormat("en-GB", {dateStyle: "long", timeZone: zone}).format(new Date(iso));
}
function moment(iso, zone) {
  return new Intl.DateTimeFormat("en-GB", {dateStyle: "long", timeStyle: "short", timeZone: zone}).format(new Date(iso));
}
function size(bytes) {
  for (const [unit, length] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]])
    if (bytes >= length) return `${(bytes / length).toFixed(1)} ${unit}`;
  return `${bytes} bytes`;
}
