// The requests and answers of a run, side by side with those of the nearest passing run of the same test.
const MOST_PAIRS = 400_000; // of lines or words that are compared one by one
const SHORT = 3; // equal lines that stay open
const LONG_STRETCH = 400; // characters of an equal stretch within a changed line that are shown in full
const LONG_CELL = 1500;
const MOST_QUOTED = 80;
const LEAST_COMMON = 0.3; // of the characters of two texts, or they are marked as a whole

// The equal and the different stretches of two lists, as [isEqual, items of the left one, items of the right one].
const stretches = (left, right) => {
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  let end = 0;
  while (end < left.length - start && end < right.length - start && left.at(-1 - end) === right.at(-1 - end)) end++;
  const [ours, theirs] = [left.slice(start, left.length - end), right.slice(start, right.length - end)];
  const found = [];
  const add = (isEqual, some, others) => {
    if (!some.length && !others.length) return;
    const last = found.at(-1);
    if (last && last[0] === isEqual) {
      last[1].push(...some);
      last[2].push(...others);
    } else found.push([isEqual, [...some], [...others]]);
  };
  add(true, left.slice(0, start), right.slice(0, start));
  if (ours.length * theirs.length > MOST_PAIRS) add(false, ours, theirs);
  else {
    // lengths[i][j] is the length of the longest common part of what follows ours[i] and theirs[j]
    const lengths = Array.from({length: ours.length + 1}, () => new Uint32Array(theirs.length + 1));
    for (let i = ours.length - 1; i >= 0; i--) {
      for (let j = theirs.length - 1; j >= 0; j--) {
        lengths[i][j] = ours[i] === theirs[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
      }
    }
    let [i, j] = [0, 0];
    while (i < ours.length || j < theirs.length) {
      if (i < ours.length && j < theirs.length && ours[i] === theirs[j]) add(true, [ours[i++]], [theirs[j++]]);
      else if (j === theirs.length || (i < ours.length && lengths[i + 1][j] >= lengths[i][j + 1])) add(false, [ours[i++]], []);
      else add(false, [], [theirs[j++]]);
    }
  }
  add(true, left.slice(left.length - end), right.slice(right.length - end));
  return found;
};

const shorten = (words) => (words.length <= LONG_STRETCH ? words
  : `${words.slice(0, LONG_STRETCH / 4)} … ${count(words.length - LONG_STRETCH / 2)} equal characters … ${words.slice(-LONG_STRETCH / 4)}`);

// One side of a difference; `parts` are texts, with whether the other side has them too.
const side = (tag, name, parts) => {
  const made = element("div", undefined, "side");
  made.dataset.run = name;
  const content = element("pre");
  let length = 0;
  for (const [isEqual, words] of parts) {
    content.append(isEqual ? shorten(words) : element(tag, words));
    length += isEqual ? Math.min(words.length, LONG_STRETCH) : words.length;
  }
  if (length > LONG_CELL) {
    content.className = "long";
    content.tabIndex = 0;
  }
  made.append(content);
  return made;
};

const sides = (left, right, names) => {
  if (left === undefined || right === undefined) {
    const nothing = element("div", "not there", "side absent");
    nothing.dataset.run = names[left === undefined ? 0 : 1];
    return left === undefined ? [nothing, side("ins", names[1], [[false, right]])] : [side("del", names[0], [[false, left]]), nothing];
  }
  const words = (value) => value.split(/(\s+|[^\p{L}\p{N}\s])/u).filter(Boolean);
  const found = stretches(words(left), words(right)).map(([isEqual, some, others]) => [isEqual, some.join(""), others.join("")]);
  const common = found.filter(([isEqual]) => isEqual).map(([, same]) => same).join("").length;
  if (common < LEAST_COMMON * Math.max(left.length, right.length)) return [side("del", names[0], [[false, left]]), side("ins", names[1], [[false, right]])];
  return ["del", "ins"].map((tag, which) => side(tag, names[which], found.filter((one) => one[1 + which]).map((one) => [one[0], one[1 + which]])));
};

const equalLines = (texts) => {
  const content = element("pre", texts.join("\n"));
  if (texts.length <= SHORT && texts.join("").length <= LONG_STRETCH) {
    content.className = "equal";
    return content;
  }
  content.tabIndex = 0;
  const made = element("details", undefined, "equal");
  made.append(element("summary", `${count(texts.length)} equal line${texts.length === 1 ? "" : "s"}`), content);
  return made;
};

// A text without the ids that the API drew, which differ in all runs.
const withoutIds = (words) => words.replace(/\b(toolu|srvtoolu|mcptoolu|msg|req)_\w+/g, "$1_…");

// The first passage that is the same as this one but for such ids.
const firstAlike = (index) => {
  firsts ??= new Map();
  const key = JSON.stringify([passageTitle(index), withoutIds(details.passages[index][2])]);
  if (!firsts.has(key)) firsts.set(key, index);
  return firsts.get(key);
};
let firsts = null;

const passageTitle = (index) => details.passages[index].slice(0, 2).join(" · ");

const passagePair = (left, right, names) => {
  const title = element("p", passageTitle(right ?? left), "part");
  const texts = [left, right].map((index) => (index === undefined ? undefined : withoutIds(details.passages[index][2])));
  if (left === undefined || right === undefined) return [title, ...sides(...texts, names)];
  if (passageTitle(left) !== passageTitle(right)) return [element("p", `${passageTitle(left)} → ${passageTitle(right)}`, "part"), ...sides(...texts, names)];
  const lines = texts.map((words) => words.split("\n"));
  return [title, ...stretches(...lines).flatMap(([isEqual, some, others]) => {
    if (isEqual) return [equalLines(some)];
    return sides(...[some, others].map((one) => (one.length ? one.join("\n") : undefined)), names);
  })];
};

// The titles of parts, equal ones counted: `system · text, 6 × tools · tool`.
const passageTitles = (indices) => {
  const counts = new Map();
  for (const title of indices.map(passageTitle)) counts.set(title, (counts.get(title) ?? 0) + 1);
  return [...counts].map(([title, number]) => (number === 1 ? title : `${number} × ${title}`)).join(", ");
};

const passageDifferences = (left, right, names) => stretches(left.map(firstAlike), right.map(firstAlike)).flatMap(([isEqual, some, others]) => {
  if (isEqual) {
    const made = element("details", undefined, "equal");
    const words = some.length === 1 ? details.passages[some[0]][2].replace(/\s+/g, " ").trim() : "";
    const start = words.length > MOST_QUOTED ? `${words.slice(0, MOST_QUOTED)}…` : words;
    made.append(element("summary", `${some.length} equal part${some.length === 1 ? "" : "s"}: ${passageTitles(some)}${start && `: “${start}”`}`), ...passages(some));
    return [made];
  }
  const length = Math.max(some.length, others.length);
  return Array.from({length}, (_, index) => passagePair(some[index], others[index], names)).flat();
});

const difference = (row, neighbour) => {
  const names = Object.keys({...neighbour.values, ...row.values});
  const shown = (value) => (value === undefined ? "not set" : text(value));
  return names.filter((name) => text(neighbour.values[name]) !== text(row.values[name]))
    .map((name) => `${name}: ${shown(neighbour.values[name])} → ${shown(row.values[name])}`).join(", ");
};

// One request and its answer, or what is known of them, in both runs.
const turnPair = (row, neighbour, kept, names, [left, right], changes) => {
  const turns = [left, right].map((position, which) => (position === null ? undefined : kept[which]?.[position]));
  const missing = left === null ? `, which ${names[0]} did not send` : right === null ? `, which ${names[1]} did not send` : "";
  const number = (right ?? left) + 1;
  const parts = [element("h4", `Request ${number}${missing}`), ...changes.flatMap(([path, ...values]) => [
    element("p", path, "part path"), ...sides(...values.map((value) => (value === "absent" ? undefined : value)), names)])];
  if (!kept.every(Boolean)) {
    if (!changes.length && !missing) parts.push(element("p", "No parameter differs.", "equal"));
    return parts;
  }
  const endings = turns.map((turn) => turn?.ending ?? "not sent");
  const ending = endings[0] === endings[1] ? "" : ` (${endings.join(" → ")})`;
  return [...parts, ...passageDifferences(...turns.map((turn) => turn?.request ?? []), names),
    element("h4", `Answer ${number}${ending}`), ...passageDifferences(...turns.map((turn) => turn?.answer ?? []), names)];
};

// Whether the texts of a pair are equal, and its parameters differ as those of the pair before do, or not at all.
const repeats = (row, kept, pairs, index) => {
  const [left, right] = pairs[index];
  if (left === null || right === null || !index) return false;
  const changes = [index - 1, index].map((position) => String(row.changes?.[position] ?? []));
  const turns = [left, right].map((position, which) => JSON.stringify(kept[which]?.[position]));
  return turns[0] === turns[1] && (changes[1] === "" || changes[0] === changes[1]);
};

const comparison = (row) => {
  const neighbour = details.rows[row.neighbour];
  if (!neighbour) return row.outcome === "failed" && row.values ? [element("p", "No other combination of this test passed, so there is none to compare with.")] : [];
  const names = [neighbour, row].map((run) => `${run.combination || "no flags"} · ${run.outcome}`);
  const made = element("section", undefined, "comparison");
  made.append(element("h3", `Beside ${neighbour.combination || "no flags"}, the nearest combination that passed`));
  const flags = element("p", "This run differs in ");
  flags.append(element("strong", difference(row, neighbour)), ".");
  made.append(flags);
  const kept = [neighbour, row].map((run) => details.conversations[run.conversation]?.turns);
  if (!kept.every(Boolean)) made.append(element("p", "What was said was not kept of both runs; these are the parameters that differ.", "hint"));
  const counts = [neighbour, row].map((run, which) => kept[which]?.length ?? run.requests?.length ?? 0);
  const pairs = row.pairs ?? Array.from({length: Math.max(...counts)}, (_, index) => [index, index]);
  const grid = element("div", undefined, "sides");
  grid.append(...names.map((name) => element("p", name, "run")));
  for (let index = 0; index < pairs.length; index++) {
    let last = index;
    while (last < pairs.length && repeats(row, kept, pairs, last)) last++;
    const several = pairs.slice(index, last).map((pair, step) => turnPair(row, neighbour, kept, names, pair, (row.changes?.[index + step] ?? []).map((number) => details.changes[number])));
    if (several.length) {
      const fold = element("details", undefined, "equal");
      const inner = element("div", undefined, "sides");
      inner.append(...several.flat());
      const [first, end] = [pairs[index][1] + 1, pairs[last - 1][1] + 1];
      const what = String(row.changes?.[index] ?? []) === "" ? "equal" : "differ in the same way, and have equal texts";
      fold.append(element("summary", first === end ? `Request ${first}: ${what.replace("differ", "differs").replace("have", "has")}` : `Requests ${first} to ${end}: ${what}`), inner);
      grid.append(fold);
      index = last - 1;
    } else {
      grid.append(...turnPair(row, neighbour, kept, names, pairs[index], (row.changes?.[index] ?? []).map((number) => details.changes[number])));
    }
  }
  made.append(grid);
  return [made];
};
