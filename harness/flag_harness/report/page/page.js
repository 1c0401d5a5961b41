"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const matrix = byId("matrix");
  const lines = [...matrix.tBodies].flatMap((body) => [...body.rows]);
  const heads = [...matrix.tHead.rows[0].cells];
  const dialog = byId("details");

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  // The first lines are shown at once, all others when the browser has nothing else to do.
  const showRest = () => {
    for (const body of matrix.tBodies) body.hidden = false;
  };
  addEventListener("load", () => setTimeout(showRest, 200));

  // Details: unpacked when the first cell is opened.
  let details = null;
  const unpack = async () => {
    const packed = Uint8Array.from(atob(byId("details-data").textContent), (character) => character.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
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
      for (const value of row) line.append(element("td", value, /^[\d$][\d.,]*( s)?$/.test(value) ? "number" : ""));
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

  const requestTable = (row) => {
    const headings = ["#", "Request", "Model", "Status", "Stop reason", "Input", "Cached", "Output", "Cost", "First token", "Time", "Body"];
    const rows = row.requests.map((position, index) => {
      const one = details.requests[position];
      return [index + 1, `${one.method} ${one.path}`, one.model ?? "", one.status ?? "broken off", one.stop ?? "",
        count(one.input), count(one.cached), count(one.output), dollars(one.cost), seconds(one.first), seconds(one.seconds), one.body ?? ""];
    });
    return table(row.simulated ? "Requests (simulated figures)" : "Requests", headings, rows);
  };

  const age = (moment) => {
    const days = Math.floor((Date.now() - Date.parse(moment)) / 86400000);
    return Number.isNaN(days) ? moment : `${moment} (${days} day${days === 1 ? "" : "s"} ago)`;
  };

  const passages = (indices) => indices.map((index) => {
    const [role, kind, words, characters] = details.passages[index];
    const title = `${role} · ${kind} (${(characters ?? [...words].length).toLocaleString("en")} characters)`;
    const made = element("details");
    made.open = role !== "system" && role !== "tools" && kind !== "thinking";
    const content = element("pre", words);
    content.tabIndex = 0;
    made.append(element("summary", title), content);
    return made;
  });

  const conversation = (kept) => {
    const made = element("div");
    made.append(element("h3", "Conversation"));
    kept.turns.forEach((turn, index) => {
      const ending = turn.ending === "end" ? "" : ` (${turn.ending})`;
      made.append(element("h4", `Request ${index + 1}`), ...passages(turn.request));
      made.append(element("h4", `Answer ${index + 1}${ending}`), ...passages(turn.answer));
    });
    return made;
  };

  const describe = (row) => {
    const made = element("section");
    if (row.repetition) made.append(element("h3", `Repetition ${row.repetition}`));
    const flags = Object.entries(row.values ?? {}).map(([name, value]) => `${name}=${text(value)}`).join(", ");
    made.append(list([
      ["Outcome", row.outcome + (row.phase !== "call" ? ` in ${row.phase}` : "")],
      ["Reason", row.reason], ["Place", row.place],
      ["The API would refuse", row.refused?.join("\n")], ["Not recorded", row.misses?.join("\n")], ["Flags", flags],
      ["Cost", dollars(row.cost)], ["Time of answers", seconds(row.seconds)],
      ["Faults that fired", row.faults?.join(", ")], ["Cassette", row.cassette],
      ["Recorded from", row.recorded_from && row.recorded_from + (row.rebased ? ", rewritten since, not verified" : "")],
      ["Recorded at", row.recorded_at && age(row.recorded_at)], ["Answered by", row.answered_by],
      ["Left out of effects", row.excluded], ["Budget", row.budget && text(row.budget)],
      ["Betas that were dropped", row.dropped_betas?.join(", ")],
      ["To run it again", row.command && element("code", row.command)],
    ]));
    if (row.requests) made.append(requestTable(row));
    else made.append(element("p", "It sent no request."));
    const kept = details.conversations[row.conversation];
    if (kept) made.append(conversation(kept));
    if (row.cache) {
      const headings = ["Request", "Read", "Written", "Missed", "Not cached", "Blocks", "Why"];
      made.append(table("Prompt cache (tokens)", headings, row.cache.map(([number, counts, blocks, why]) => [number, ...counts.map(count), blocks, why])));
    }
    if (row.logs) made.append(table("Logs", ["Times", "Level", "Logger", "Message"], row.logs.map((log) => [log.count, log.level, log.logger, log.message])));
    return made;
  };

  const open = async (button) => {
    details ??= await unpack();
    const [first, length] = button.value.split(",").map(Number);
    const rows = details.rows.slice(first, first + length);
    byId("details-title").textContent = rows[0].case;
    byId("details-body").replaceChildren(...rows.map(describe));
    dialog.showModal();
    dialog.scrollTop = 0;
  };

  matrix.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) open(button);
  });
  byId("details-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  // Keyboard: one cell is in the tab order, arrow keys move it.
  const isVisible = (button) => button.offsetParent !== null;
  for (const button of matrix.getElementsByTagName("button")) button.tabIndex = -1;
  let current = matrix.querySelector("button");
  const select = (button) => {
    if (!button) return;
    if (current) current.tabIndex = -1;
    current = button;
    current.tabIndex = 0;
  };
  select(current);
  matrix.addEventListener("focusin", (event) => {
    if (event.target.matches("button")) select(event.target);
  });
  const STEPS = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
  matrix.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || !event.target.matches("button")) return;
    event.preventDefault();
    const cell = event.target.closest("td");
    let line = lines.indexOf(cell.parentElement) + step[0];
    let column = cell.cellIndex + step[1];
    for (; lines[line]?.cells[column]; line += step[0], column += step[1]) {
      const button = lines[line].cells[column].querySelector("button");
      if (button && isVisible(button)) {
        select(button);
        button.focus();
        return;
      }
    }
  });

  // Filters: lines are hidden one by one, columns by a rule of a style sheet.
  const sheet = document.styleSheets[0];
  const ownRules = sheet.cssRules.length;
  const hasFlag = (combination, flag) =>
    combination.split("+").some((change) => change === flag || change === `no-${flag}` || change.startsWith(`${flag}=`));
  const filter = () => {
    showRest();
    const words = byId("filter-test").value.toLowerCase().split(/\s+/).filter(Boolean);
    const outcome = byId("filter-outcome").value;
    const flag = byId("filter-flag").value;
    const columns = heads.map((head, index) => index > 0 && (!flag || hasFlag(head.textContent, flag.slice(1)) === (flag[0] === "+")));
    let shown = 0;
    for (const line of lines) {
      const name = line.cells[0].textContent.toLowerCase();
      const fits = words.every((word) => name.includes(word)) && [...line.cells].some((cell, index) => {
        const button = columns[index] && cell.firstElementChild;
        return button && (!outcome || button.className === outcome);
      });
      line.hidden = !fits;
      shown += fits;
    }
    while (sheet.cssRules.length > ownRules) sheet.deleteRule(ownRules);
    columns.forEach((isShown, index) => {
      if (index && !isShown) sheet.insertRule(`#matrix tr > :nth-child(${index + 1}) { display: none; }`, ownRules);
    });
    byId("filter-count").textContent = shown === lines.length ? `${shown} tests` : `${shown} of ${lines.length} tests`;
    if (!current || !isVisible(current)) select([...matrix.querySelectorAll("tbody button")].find(isVisible));
  };
  byId("filters").addEventListener("input", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
})();
