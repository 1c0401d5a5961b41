// Elements and texts that several parts of the page are made of.
const byId = (id) => document.getElementById(id);

const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};

const table = (caption, headings, rows) => {
  const region = element("div", undefined, "scroll");
  region.tabIndex = 0;
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", caption);
  const made = element("table");
  made.append(element("caption", caption));
  const head = made.createTHead().insertRow();
  for (const heading of headings) {
    const cell = element("th", heading);
    cell.scope = "col";
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) {
      const cell = element("td", value instanceof Node ? undefined : value, /^[\d$][\d.,]*( s)?$/.test(value) ? "number" : "");
      if (value instanceof Node) cell.append(value);
      line.append(cell);
    }
  }
  region.append(made);
  return region;
};

const list = (pairs) => {
  const made = element("dl");
  for (const [name, value] of pairs) {
    if (value === undefined || value === "") continue;
    const pair = element("div");
    const cell = element("dd", value instanceof Node ? undefined : value);
    if (value instanceof Node) cell.append(value);
    pair.append(element("dt", name), cell);
    made.append(pair);
  }
  return made;
};

const seconds = (value) => (value === undefined ? "" : `${value.toFixed(2)} s`);
const dollars = (value) => (value === undefined ? "" : `$${value.toFixed(4)}`);
const count = (value) => (value === undefined ? "" : value.toLocaleString("en"));
const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
