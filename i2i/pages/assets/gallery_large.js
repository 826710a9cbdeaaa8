// The large view of a gallery: two of a row's pictures with a divider, stepping from row to row, and the keys.

const { labels } = JSON.parse(document.getElementById("content").textContent);
const [dialog, help] = [document.querySelector("dialog.large"), document.querySelector("dialog.keys")];
const KEYS = [
  [["←", "→"], "previous and next picture", true],
  [["1", "…", "9"], "which folder is shown after (right)", labels.length > 1],
  [["Shift", "1", "…", "9"], "which folder is shown before (left)", labels.length > 1],
  [["+", "−"], "larger, smaller; also the wheel after a click", true],
  [["0"], "all of the picture", true],
  [["Esc"], "close", true],
  [["?"], "these keys", true],
];
const view = { rows: [], place: 0, before: 0, after: labels.length > 1 ? 1 : null };

const head = element("header", "row");
const [name, count] = [element("h2", "name"), element("span", "count faint")];
const close = button("Close", "✕", () => dialog.close());
head.append(name, count, close);
const pair = document.createElement("before-after");
const note = element("p", "note faint");
note.setAttribute("role", "status");
const figures = element("dl", "figures");
const foot = element("footer", "row");
const choices = { before: choice("Before", "before"), after: choice("After", "after") };
foot.append(button("Previous picture", "‹", () => step(-1)));
if (labels.length > 1) foot.append(choices.before.parentElement, choices.after.parentElement);
foot.append(button("Next picture", "›", () => step(1)));
dialog.append(head, pair, note, figures, foot);

help.append(element("h2", "", "Keys"), keys(), button("Close the list of keys", "Close", () => help.close()));
document.addEventListener("gallery:keys", () => help.showModal());
document.addEventListener("gallery:open", ({ detail }) => {
  Object.assign(view, { rows: detail.rows, place: detail.place });
  if (detail.folder !== view.before && labels.length > 1) view.after = detail.folder;
  dialog.showModal();
  pair.fit();
  show();
});
dialog.addEventListener("close", () => view.rows[view.place]?.card.querySelector("button").focus());
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("select, input[type=range]") && event.key.startsWith("Arrow")) return;
  if (event.target.matches("input[type=search]")) return;
  if (event.key === "?") help.open ? help.close() : help.showModal();
  else if (dialog.open && !help.open) act(event);
  else return;
  if (event.key === "?") event.preventDefault();
});

function act(event) {
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  const acts = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    "+": () => pair.zoomIn(),
    "=": () => pair.zoomIn(),
    "-": () => pair.zoomOut(),
    0: () => pair.fit(),
  };
  if (digit && Number(digit) <= labels.length && labels.length > 1) {
    view[event.shiftKey ? "before" : "after"] = Number(digit) - 1;
    show();
  } else if (acts[event.key]) acts[event.key]();
  else return;
  event.preventDefault();
}

function step(by) {
  const place = view.place + by;
  if (place < 0 || place >= view.rows.length) return;
  view.place = place;
  pair.fit();
  show();
}

function show() {
  const row = view.rows[view.place];
  name.textContent = row.name;
  count.textContent = `${view.place + 1} of ${view.rows.length}`;
  const wanted = [view.before, view.after].filter((folder) => folder !== null);
  const here = [...new Set(wanted)].filter((folder) => Array.isArray(row.pictures[folder]));
  for (const [side, folder] of [["before", here[0]], ["after", here[1]]]) {
    set(`${side}-label`, folder === undefined ? null : labels[folder]);
    set(side, folder === undefined ? null : row.pictures[folder][0]);
  }
  if (here.length) {
    const [, width, height] = row.pictures[here[0]];
    set("width", width);
    set("height", height);
  }
  pair.classList.toggle("empty", !here.length);
  note.textContent = [...new Set(wanted)].filter((folder) => !here.includes(folder)).map((folder) => why(row, folder)).join("; ");
  figures.replaceChildren(...row.told.map(figure));
  for (const side of ["before", "after"]) choices[side].value = view[side] ?? 0;
  const [back, on] = [foot.firstElementChild, foot.lastElementChild];
  [back.disabled, on.disabled] = [view.place === 0, view.place === view.rows.length - 1];
  for (const near of [view.rows[view.place + 1], view.rows[view.place - 1]]) {
    for (const folder of wanted) if (Array.isArray(near?.pictures[folder])) new Image().src = near.pictures[folder][0];
  }
}

function why(row, folder) {
  const reason = row.pictures[folder];
  return reason === null ? `missing in ${labels[folder]}` : `${labels[folder]}: ${reason}`;
}

function figure([title, text]) {
  const made = element("div");
  made.append(element("dt", "", title), element("dd", "", text));
  return made;
}

function set(attribute, value) {
  if (value === null) pair.removeAttribute(attribute);
  else if (pair.getAttribute(attribute) !== String(value)) pair.setAttribute(attribute, value);
}

function choice(text, side) {
  const [label, select] = [element("label", "", text), document.createElement("select")];
  labels.forEach((folder, number) => select.add(new Option(folder, number)));
  select.addEventListener("change", () => {
    view[side] = Number(select.value);
    show();
  });
  label.append(select);
  return select;
}

function keys() {
  const list = element("dl", "key-list");
  for (const [signs, text, isThere] of KEYS) {
    if (!isThere) continue;
    const term = element("dt");
    term.append(...signs.map((sign) => (sign === "…" ? "…" : element("kbd", "", sign))));
    list.append(term, element("dd", "", text));
  }
  return list;
}

function button(label, text, act) {
  const made = element("button", "", text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.title = label;
  made.addEventListener("click", act);
  return made;
}

function element(kind, name = "", text = "") {
  const made = document.createElement(kind);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}
