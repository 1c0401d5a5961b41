// Details: unpacked when the first cell is opened.
let details = null;
const unpack = async () => {
  const packed = Uint8Array.from(atob(byId("details-data").textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
};

// Without streaming, the first token arrives with the whole answer.
const firstToken = (one) => one.first !== undefined || one.rhythm || one.status !== 200 ? seconds(one.first) : `${seconds(one.seconds)}, whole answer`;

const requestTable = (row) => {
  const headings = ["#", "Request", "Model", "Status", "Stop reason", "Input", "Cached", "Output", "Cost", "First token", "Time", "Body"];
  const rows = row.requests.map((position, index) => {
    const one = details.requests[position];
    return [index + 1, `${one.method} ${one.path}`, one.model ?? "", one.status ?? "broken off", one.stop ?? "",
      count(one.input), count(one.cached), count(one.output), dollars(one.cost), firstToken(one), seconds(one.seconds), one.body ?? ""];
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
    ["Cost", dollars(row.cost)], ["Total time", seconds(row.seconds)],
    ["Faults that fired", row.faults?.join(", ")], ["Cassette", row.cassette],
    ["Recorded from", row.recorded_from && row.recorded_from + (row.rebased ? ", rewritten since, not verified" : "")],
    ["Recorded at", row.recorded_at && age(row.recorded_at)], ["Answered by", row.answered_by],
    ["Left out of effects", row.excluded], ["Budget", row.budget && text(row.budget)],
    ["Betas that were dropped", row.dropped_betas?.join(", ")],
    ["To run it again", row.command && element("code", row.command)],
  ]));
  if (row.requests) made.append(requestTable(row));
  else made.append(element("p", "It sent no request."));
  made.append(...streams([row, details.rows[row.neighbour]].filter((run) => run?.requests).map((run) => [run.combination || "no flags", run])));
  made.append(...comparison(row));
  const kept = details.conversations[row.conversation];
  if (kept) made.append(conversation(kept));
  if (row.cache) {
    const headings = ["Request", "Read", "Written", "Missed", "Not cached", "Blocks", "Why"];
    made.append(table("Prompt cache (tokens)", headings, row.cache.map(([number, counts, blocks, why]) => [number, ...counts.map(count), blocks, why])));
  }
  if (row.logs) made.append(table("Logs", ["Times", "Level", "Logger", "Message"], row.logs.map((log) => [log.count, log.level, log.logger, log.message])));
  return made;
};
