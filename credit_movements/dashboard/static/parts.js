// What the page is put together from. Text goes in as text: no account, file or message ever becomes markup.
export const account = new URLSearchParams(location.search).get("account") || "acme";
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
export const TRY_AGAIN = "Please wait a few minutes and try again from the Dashboard.";
export const NO_ANSWER = "The server does not answer. " + TRY_AGAIN;

const ICONS = {
  processing: "M12 6v6l4 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  completed: "M8 12.5l2.8 2.8L16.5 9M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  failed: "M12 7v6M12 16.5v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
};

export const byId = (id) => document.getElementById(id);
export function element(tag, text) { return Object.assign(document.createElement(tag), {textContent: text}); }
// Numbers, times and names stay whole, also where they have a hyphen. A long id may break.
export function words(tag, text) {
  const whole = element(tag, "");
  for (const part of text.split(/([\s,]+)/)) {
    const is_word = part !== "" && part.length < 28 && !/[\s,]/.test(part);
    whole.append(is_word ? Object.assign(element("span", part), {className: "word"}) : part);
    if (part === ",") whole.append(element("wbr", ""));
  }
  return whole;
}
export function p(text) { return element("p", text); }
export function div(className) { return Object.assign(document.createElement("div"), {className}); }

export function button(text, onClick, className = "button") {
  const made = Object.assign(element("button", text), {type: "button", className});
  made.addEventListener("click", onClick);
  return made;
}

export function table(heads, rows) {
  const whole = element("table", ""), head = whole.createTHead().insertRow(), body = whole.createTBody();
  head.append(...heads.map((text) => Object.assign(element("th", text), {scope: "col"})));
  for (const row of rows) {
    body.insertRow().append(...row.map((cell) => {
      if (!(cell instanceof Node)) return words("td", cell);
      if (cell.tagName === "TD") return cell;
      const around = element("td", "");
      around.append(cell);
      return around;
    }));
  }
  [...(body.rows[0]?.cells ?? [])].forEach((cell, at) => head.cells[at].classList.toggle("amount", cell.classList.contains("amount")));
  return whole;
}

export function box(kind, title, content) {
  const whole = div("notice " + kind), heading = element("h3", title);
  if (kind in ICONS) heading.prepend(icon(ICONS[kind]));
  whole.append(heading, ...content);
  return whole;
}

function icon(path) {
  const image = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({
    width: 22, height: 22, viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 2,
    "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true",
  })) image.setAttribute(name, value);
  image.append(document.createElementNS(image.namespaceURI, "path"));
  image.firstChild.setAttribute("d", path);
  return image;
}

// The answer of the page's backend, or an Error whose message is fit for the person who reads the page.
export async function asked(path, query) {
  let answer;
  try {
    answer = await fetch(`${path}?${new URLSearchParams({account, ...query})}`);
  } catch {
    throw new Error(NO_ANSWER);
  }
  const body = await answer.json().catch(() => ({error: NO_ANSWER}));
  if (!answer.ok) throw new Error(body.error);
  return body;
}
