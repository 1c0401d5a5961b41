// The rhythm of streamed answers, on one scale for all combinations of a test.
const inSeconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

const streamChart = (request, scale) => {
  let moment = 0;
  const moments = request.rhythm.map((step) => (moment += step));
  const end = Math.max(moment, Math.round(1000 * request.seconds));
  const [gapStart, gap] = request.gap;
  const first = request.first === undefined ? "no token" : `first token after ${seconds(request.first)}`;
  const label = `${first}, ${count(request.chunks)} chunk${request.chunks === 1 ? "" : "s"}, longest gap ${inSeconds(gap)} `
    + `after ${inSeconds(gapStart)}, end after ${inSeconds(end)}; the scale ends at ${inSeconds(scale)}`;
  const at = (value) => Math.round((996 * value) / scale) + 2;
  const path = (kind, course) => `<path class="${kind}" d="${course}"/>`;
  const holder = element("div");
  holder.innerHTML = '<svg class="stream" viewBox="0 0 1000 24" preserveAspectRatio="none" role="img"><title></title>'
    + path("course", `M${at(0)} 12H${at(end)}`) + (gap ? path("gap", `M${at(gapStart)} 12H${at(gapStart + gap)}`) : "")
    + path("pieces", moments.map((value) => `M${at(value)} 6V18`).join(""))
    + (request.first === undefined ? "" : path("first", `M${at(1000 * request.first)} 1V23`))
    + path("end", `M${at(end)} 3V21`) + "</svg>";
  const made = holder.firstElementChild;
  made.firstElementChild.textContent = label;
  made.setAttribute("aria-label", label);
  return made;
};

const streams = (runs) => {
  const rows = runs.flatMap(([name, run]) => run.requests.map((position, index) => [name, index, details.requests[position]]))
    .filter(([, , request]) => request.rhythm);
  if (!rows.length) return [];
  const scale = runs[0][1].scale;
  const headings = ["Combination", "Answer", `0 to ${inSeconds(scale)}`, "First token", "Longest gap", "End"];
  const made = table("Streams, on one scale for all combinations of this test", headings, rows.map(([name, index, request]) =>
    [name, index + 1, streamChart(request, scale), seconds(request.first), inSeconds(request.gap[1]), seconds(request.seconds)]));
  made.classList.add("streams");
  const key = element("p", undefined, "hint");
  for (const [kind, words] of [["first", "first token"], ["gap", "longest gap"], ["pieces", "chunks that arrived (a dozen of them)"]]) {
    key.append(element("span", words, `stream-key ${kind}`), " ");
  }
  return [made, key];
};
