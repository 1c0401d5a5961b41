// The table of tests and combinations: its cells, the keyboard, and the filters.
const matrix = byId("matrix");
const lines = [...matrix.tBodies].flatMap((body) => [...body.rows]);
const heads = [...matrix.tHead.rows[0].cells];
const dialog = byId("details");

// The first lines are shown at once, all others when the browser has nothing else to do.
const showRest = () => {
  for (const body of matrix.tBodies) body.hidden = false;
};
addEventListener("load", () => setTimeout(showRest, 200));

const open = async (button) => {
  details ??= await unpack();
  const [first, length] = button.value.split(",").map(Number);
  const rows = details.rows.slice(first, first + length);
  byId("details-title").textContent = rows[0].case;
  byId("details-body").replaceChildren(...rows.map(describe));
  dialog.showModal();
  dialog.scrollTop = 0;
};

addEventListener("click", (event) => {
  const button = event.target.closest("#matrix button, button.open");
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
  const tests = `${lines.length} test${lines.length === 1 ? "" : "s"}`;
  while (sheet.cssRules.length > ownRules) sheet.deleteRule(ownRules);
  columns.forEach((isShown, index) => {
    if (index && !isShown) sheet.insertRule(`#matrix tr > :nth-child(${index + 1}) { display: none; }`, ownRules);
  });
  byId("filter-count").textContent = shown === lines.length ? tests : `${shown} of ${tests}`;
  if (!current || !isVisible(current)) select([...matrix.querySelectorAll("tbody button")].find(isVisible));
};
byId("filters").addEventListener("input", filter);
byId("filters").addEventListener("submit", (event) => event.preventDefault());

// What is cut off at the right fades out, and the table of tests says how many combinations that are.
const showSides = () => {
  for (const region of document.querySelectorAll(".scroll")) {
    region.classList.toggle("more", region.scrollWidth - region.clientWidth - region.scrollLeft > 2);
  }
  const region = matrix.parentElement;
  const end = region.getBoundingClientRect().right;
  const shown = heads.slice(1).filter((head) => head.offsetParent !== null);
  const hidden = shown.filter((head) => head.getBoundingClientRect().right > end + 2).length;
  byId("matrix-sides").textContent = hidden ? `${hidden} of ${shown.length} combinations are further to the right: scroll sideways.` : "";
};
addEventListener("scroll", showSides, {capture: true, passive: true});
addEventListener("resize", showSides);
byId("filters").addEventListener("input", showSides);
showSides();
