// The overview of a gallery: a card a row, filtered and sorted. A click opens the large view (gallery_large.js).

const content = JSON.parse(document.getElementById("content").textContent);
const [main, form] = [document.querySelector("main"), document.querySelector("form.tools")];
const place = main.querySelector(".rows");
const byName = new Intl.Collator(undefined, { numeric: true }).compare;
const rows = content.rows.map((row) => ({ ...row, figures: row.figures.map((value) => (value === null ? null : Number(value))) }));
rows.sort((one, other) => byName(one.name, other.name));
const columns = content.columns;
const own = [...columns.keys()].filter((number) => !columns.some((column) => column.bicubic === number)); // not beside others
const UNDER = 2; // figures under a picture; the large view has all
let shown = rows;
let isUp = true;
const fetched = { whole: 0, lost: 0 };
const linked = rows.flatMap((row) => row.pictures).filter((picture) => Array.isArray(picture) && !isEmbedded(picture[0]));

main.querySelector("h1").textContent = content.title;
main.querySelector(".told").textContent = told();
listBroken();
place.style.setProperty("--across", content.labels.length === 4 ? 2 : Math.min(content.labels.length, 3));
for (const row of rows) row.told = figuresOf(row.figures);
for (const row of rows) row.card = card(row);
for (const [number, title] of ["name", ...columns.map(({ title }) => title)].entries()) form.sort.add(new Option(title, number - 1));
form.sort.value = own.find((number) => columns[number].moreIsBetter !== null) ?? -1;
isUp = isWorstLow();
if (!columns.length) form.sort.parentElement.classList.add("hidden");
showMeans();
form.size.value = content.labels.length === 1 ? 160 : 190;
resize();
arrange();

form.addEventListener("submit", (event) => event.preventDefault());
form.filter.addEventListener("input", arrange);
form.sort.addEventListener("change", () => {
  isUp = isWorstLow();
  arrange();
});
form.size.addEventListener("input", resize);
form.order.addEventListener("click", () => {
  isUp = !isUp;
  arrange();
});
form.help.addEventListener("click", () => document.dispatchEvent(new CustomEvent("gallery:keys")));
place.addEventListener("click", (event) => {
  const pictures = event.target.closest(".pictures");
  if (!pictures) return;
  const folder = event.target.closest("[data-folder]")?.dataset.folder;
  const detail = { rows: shown, place: shown.findIndex((row) => row.card.contains(pictures)), folder: Number(folder ?? 0) };
  document.dispatchEvent(new CustomEvent("gallery:open", { detail }));
});

function told() {
  const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
  if (content.labels.length === 1) return count(content.rows.length, "picture");
  const missing = content.labels
    .map((label, folder) => [label, content.rows.filter((row) => row.pictures[folder] === null).length])
    .filter(([, number]) => number)
    .map(([label, number]) => `${number} missing in ${label}`);
  return [`${count(content.rows.length, "row")} of ${content.labels.length} folders`, ...missing].join(", ");
}

function listBroken() {
  const box = main.querySelector("details.broken");
  box.classList.toggle("hidden", !content.broken.length);
  const are = content.broken.length === 1 ? "picture" : "pictures";
  box.querySelector("summary").textContent = `${content.broken.length} ${are} cannot be shown`;
  box.querySelector("ul").append(...content.broken.map((text) => element("li", "", text)));
}

function card(row) {
  const whole = element("article", "gallery-card");
  const button = element("button", "pictures");
  button.type = "button";
  button.setAttribute("aria-label", `Open ${row.name}`);
  row.pictures.forEach((picture, folder) => button.append(cell(picture, folder)));
  whole.append(button, element("p", "name", row.name));
  if (row.told.length) {
    const figures = element("dl", "figures");
    for (const [title, text] of row.told.slice(0, UNDER)) {
      const pair = element("div");
      pair.append(element("dt", "", title), element("dd", "", text));
      figures.append(pair);
    }
    whole.append(figures);
  }
  return whole;
}

// Title and text of each figure that there is, with bicubic's in brackets.
function figuresOf(values) {
  return own.flatMap((number) => {
    const [{ title, bicubic }, value] = [columns[number], values[number]];
    if (value === null) return [];
    const beside = bicubic === null || values[bicubic] === null ? "" : ` (bicubic ${spelled(values[bicubic], bicubic)})`;
    return [[title, spelled(value, number) + beside]];
  });
}

// Infinite figures are left out of their mean, and of bicubic's beside it, as by `i2i evaluate`.
function showMeans() {
  const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value / values.length, 0) : null);
  const means = columns.map((_, number) => {
    const owner = columns.findIndex(({ bicubic }) => bicubic === number);
    const counted = owner < 0 ? rows : rows.filter((row) => row.figures[owner] === null || Number.isFinite(row.figures[owner]));
    return mean(counted.map((row) => row.figures[number]).filter((value) => value !== null && Number.isFinite(value)));
  });
  const line = main.querySelector(".means");
  line.textContent = `Mean: ${figuresOf(means).map((pair) => pair.join(" ")).join(" · ")}`;
  line.classList.toggle("hidden", !own.some((number) => means[number] !== null));
}

function cell(picture, folder) {
  const figure = element("span", "cell");
  figure.dataset.folder = folder;
  const box = element("span", "box");
  figure.append(box);
  if (content.labels.length > 1) figure.append(element("span", "label", content.labels[folder]));
  if (!Array.isArray(picture)) {
    box.classList.add("gap");
    box.textContent = picture === null ? "missing" : "cannot be shown";
    if (picture) box.title = picture;
    return figure;
  }
  const [address, width, height] = picture;
  const image = element("img");
  Object.assign(image, { loading: "lazy", decoding: "async", alt: "", width, height });
  image.addEventListener("error", () => {
    box.classList.add("gap");
    box.textContent = isEmbedded(address) ? "cannot be shown" : "not found";
    if (!isEmbedded(address)) lost(address);
  });
  image.addEventListener("load", () => (fetched.whole += 1));
  image.src = address;
  box.style.setProperty("--shape", Math.min(2.2, Math.max(0.6, width / height)));
  if (width < 128 && height < 128) image.classList.add("small");
  box.append(image);
  return figure;
}

function isEmbedded(address) {
  return address.startsWith("data:");
}

// Most of what was fetched so far is not there: the page or its pictures were moved.
function lost(address) {
  fetched.lost += 1;
  const banner = main.querySelector(".lost");
  if (fetched.lost < Math.min(3, linked.length) || fetched.lost <= fetched.whole || banner.textContent) return;
  const wanted = new URL(address, document.baseURI);
  let place = wanted.protocol === "file:" ? wanted.pathname : wanted.href;
  try {
    place = decodeURIComponent(place);
  } catch {} // a name that is no text
  banner.textContent =
    `Pictures are not where this page looks for them, such as ${place}. ` +
    "Page and pictures move together; with --embed, i2i gallery puts the pictures into the page.";
  banner.classList.remove("hidden");
}

function resize() {
  place.style.setProperty("--cell", `${form.size.value}px`);
}

// Rows without a figure come last whichever way the others go.
function arrange() {
  const part = form.filter.value.trim().toLowerCase();
  const column = Number(form.sort.value);
  shown = rows.filter((row) => row.name.toLowerCase().includes(part));
  const way = isUp ? 1 : -1;
  shown.sort((one, other) => {
    if (column < 0) return way * byName(one.name, other.name);
    const [a, b] = [one.figures[column], other.figures[column]];
    if (a === null || b === null) return (a === null) - (b === null);
    return way * (a === b ? 0 : a - b) || byName(one.name, other.name);
  });
  const isKnown = column >= 0 && columns[column].moreIsBetter !== null;
  const [first, text] = column < 0 ? ["A to Z", "Z to A"] : isKnown ? ["Worst first", "Best first"] : ["Lowest first", "Highest first"];
  form.order.textContent = isUp === isWorstLow() ? first : text;
  place.replaceChildren(...shown.map((row) => row.card));
  main.querySelector(".none").classList.toggle("hidden", shown.length > 0);
}

// Whether the order of sorting that comes first begins with the lowest.
function isWorstLow() {
  return columns[form.sort.value]?.moreIsBetter !== false;
}

function spelled(value, column) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (columns[column].decimals !== null) return value.toFixed(columns[column].decimals);
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 4 : 2);
}

function element(kind, name = "", text = "") {
  const made = document.createElement(kind);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}
