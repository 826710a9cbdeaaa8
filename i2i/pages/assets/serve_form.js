// The models, the options that the chosen one has, and what they are set to.
const ORIGINS = { weights: "Weights files", shipped: "Shipped with plugins", run: "Your runs", recipe: "Without weights" };
const JOBS = "i2i-jobs";

export function make(kind, name = "", attributes = {}, ...children) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export class Form {
  constructor(at) {
    this.at = at;
    this.models = new Map();
    at("model").addEventListener("change", () => this.chosen());
    at("walk").addEventListener("change", () => (at("frames-field").hidden = !at("walk").checked));
    at("frames-field").hidden = !at("walk").checked; // a browser may bring back what was checked
  }

  get model() {
    return this.models.get(this.at("model").value);
  }

  show(models) {
    this.models = new Map(models.map((model) => [model.id, model]));
    const groups = Object.entries(ORIGINS).map(([origin, label]) => {
      const group = make("optgroup", "", { label });
      for (const model of models.filter((each) => each.origin === origin)) {
        group.append(new Option(nameOf(model), model.id));
      }
      return group;
    });
    this.at("model").replaceChildren(...groups.filter((group) => group.children.length));
    const wanted = remembered("model");
    if (this.models.has(wanted)) this.at("model").value = wanted;
    this.chosen();
  }

  chosen() {
    const { at, model } = this;
    if (!model) return;
    remember("model", model.id);
    at("summary").textContent = `${doings(model)} (${model.summary})`;
    at("note").hidden = !model.note;
    at("note").querySelector("p").textContent = model.note;
    at("translate").hidden = !model.translates;
    at("mask-field").hidden = !model.fills;
    at("sample").hidden = !model.samples;
    this.fields = model.options.map((option) => new Field(option));
    at("options").replaceChildren(...this.fields.map((field) => field.element));
  }

  // What a job is told, or null where something is not as it should be: the browser says what.
  translating() {
    const [seed, format] = [this.at("seed"), this.at("format").value];
    if (![seed, ...this.fields.map((field) => field.input)].every((input) => input.reportValidity())) return null;
    return { model: this.model.id, options: this.options(), seed: Number(seed.value) || 0, format };
  }

  sampling() {
    if (!this.fields.every((field) => field.input.reportValidity())) return null;
    const number = (id) => Number(this.at(id).value);
    const wish = { model: this.model.id, options: this.options(), seed: number("sample-seed"), count: number("count") };
    if (this.at("walk").checked) wish.interpolate = number("frames") || 1;
    return wish;
  }

  titleOf(wish) {
    const number = `${wish.count} ${wish.count === 1 ? "picture" : "pictures"}`;
    return wish.interpolate ? `Walk through ${number}, seed ${wish.seed}` : `${number}, seed ${wish.seed}`;
  }

  options() {
    return Object.fromEntries(this.fields.filter((field) => field.isSet).map((field) => [field.name, field.value]));
  }
}

// One option of the model. What it is by itself is not sent.
class Field {
  constructor(option) {
    this.option = option;
    this.name = option.name;
    this.input = this.#input();
    this.input.id = `option-${option.name}`;
    const words = option.name.replaceAll("_", " ");
    const text = make("span", "", {}, words.charAt(0).toUpperCase() + words.slice(1));
    const about = make("small", "", { id: `${this.input.id}-about` }, option.description);
    this.input.setAttribute("aria-describedby", about.id);
    const isSwitch = option.kind === "boolean" && !option.nullable;
    const label = make("label", isSwitch ? "check" : "", { for: this.input.id }, text);
    if (isSwitch) label.prepend(this.input);
    this.element = make("div", "field", {}, label, ...(isSwitch ? [] : [this.input]), about);
  }

  #input() {
    const { kind, nullable, minimum, maximum } = this.option;
    const value = this.option.default;
    if (kind === "boolean" && !nullable) {
      const input = make("input", "", { type: "checkbox" });
      input.checked = value;
      return input;
    }
    if (kind === "choice" || kind === "boolean") {
      this.values = [...(nullable ? [null] : []), ...(kind === "boolean" ? [true, false] : this.option.choices)];
      const select = make("select");
      for (const [place, each] of this.values.entries()) {
        select.append(new Option(each === null ? "as it comes" : String(each), place, each === value, each === value));
      }
      return select;
    }
    if (kind === "text") {
      const input = make("input", "", { type: "text", maxlength: 200 });
      input.value = value ?? "";
      return input;
    }
    const input = make("input", "", { type: "number", step: kind === "integer" ? 1 : "any" });
    if (minimum !== null) input.min = minimum;
    if (maximum !== null) input.max = maximum;
    input.required = !nullable;
    input.value = value ?? "";
    return input;
  }

  get value() {
    if (this.values) return this.values[Number(this.input.value)];
    if (this.input.type === "checkbox") return this.input.checked;
    if (this.input.value === "") return this.option.nullable ? null : "";
    return this.input.type === "number" ? Number(this.input.value) : this.input.value;
  }

  get isSet() {
    return this.value !== this.option.default;
  }
}

function nameOf(model) {
  if (model.origin !== "run") return model.title;
  const day = new Date(1000 * model.written).toLocaleDateString(undefined, { dateStyle: "medium" });
  return `${model.title} · step ${model.step}, ${day}`;
}

// What a model does to pictures, in words.
function doings(model) {
  const larger = `Makes pictures ${model.scale} times as wide and high.`;
  const done = [];
  if (model.fills) done.push("Paints what is transparent or masked and leaves the rest as it is.");
  else if (model.translates) done.push(model.scale > 1 ? larger : "Repaints pictures in their own size.");
  if (model.samples) done.push("Makes new pictures out of nothing.");
  return done.join(" ");
}

// A browser may keep nothing: then nothing is remembered. What is chosen is each tab's own, jobs are everybody's.
export function remembered(name) {
  try {
    return sessionStorage.getItem(`i2i-${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    sessionStorage.setItem(`i2i-${name}`, value);
  } catch {
    // as above
  }
}

// [id, title, title of the model] each, the oldest first.
export function notedJobs() {
  try {
    return JSON.parse(localStorage.getItem(JOBS)) ?? [];
  } catch {
    return [];
  }
}

export function noteJob(...job) {
  keepJobs([...notedJobs(), job].slice(-100));
}

export function forgetJob(id) {
  keepJobs(notedJobs().filter(([other]) => other !== id));
}

function keepJobs(jobs) {
  try {
    localStorage.setItem(JOBS, JSON.stringify(jobs));
  } catch {
    // as above
  }
}
