// Jobs as cards: how far they are, what came of them.
import { Cell } from "./serve_cell.js";
import { forgetJob, make, noteJob, notedJobs } from "./serve_form.js";

const SOON = 300; // milliseconds between two looks at first; later more
const SELDOM = 2000;
const OVER = new Set(["done", "failed", "cancelled"]);

export class Jobs {
  constructor(place, { said, empty }) {
    Object.assign(this, { place, said, empty, cards: new Set() });
  }

  open(title, model) {
    const card = new Card(title, model, this);
    this.cards.add(card);
    this.place.prepend(card.element);
    this.changed();
    return card;
  }

  close(card) {
    this.cards.delete(card);
    if (card.id) forgetJob(card.id);
    card.element.remove();
    this.changed();
  }

  changed() {
    this.empty.hidden = this.cards.size > 0;
  }

  say(text) {
    this.said.textContent = text;
  }

  // Those of this browser, from before the page was loaded anew or closed, and of other tabs.
  recall() {
    for (const [id, title, model] of notedJobs()) this.open(title, { title: model }).look(id, true);
  }
}

class Card {
  constructor(title, model, jobs) {
    Object.assign(this, { title, model, jobs, id: null, isGone: false, stopping: () => {}, pause: SOON });
    this.cells = new Map();
    this.heading = make("h3", "", {}, title, make("span", "faint", {}, model?.title ? ` · ${model.title}` : ""));
    this.buttons = make("div", "buttons");
    this.fill = make("div");
    this.bar = make("div", "bar", { role: "progressbar", "aria-label": `Progress of ${title}`, "aria-valuemin": 0, "aria-valuemax": 100 }, this.fill);
    this.words = make("p", "words faint", {}, "is being sent");
    this.grid = make("div", "grid");
    this.element = make("article", "job card", { "aria-label": title });
    this.element.append(make("header", "", {}, this.heading, this.buttons), this.bar, this.words, this.grid);
    this.offer(["Cancel", () => this.cancel()]);
  }

  offer(...all) {
    const made = all.map(([text, act]) => {
      if (typeof act === "string") return make("a", "button", { href: act, download: "" }, text);
      const button = make("button", "", { type: "button", "aria-label": `${text}: ${this.title}` }, text);
      button.addEventListener("click", act);
      return button;
    });
    const had = this.buttons.contains(document.activeElement);
    this.buttons.replaceChildren(...made);
    if (had) made[0]?.focus();
  }

  progress(share) {
    this.fill.style.width = `${100 * share}%`;
    this.bar.setAttribute("aria-valuenow", Math.round(100 * share));
  }

  tell(text, kind = "faint") {
    this.words.className = `words ${kind}`;
    this.words.textContent = text;
  }

  sent(share) {
    this.progress(share);
    if (!this.id) this.tell(share < 1 ? `is being sent, ${Math.round(100 * share)} %` : "has arrived");
  }

  waits(text) {
    this.progress(0);
    this.tell(text, "warn");
  }

  refused(text) {
    this.ended(`${this.title}: ${text}`);
    this.tell(text, "bad");
  }

  ended(text) {
    this.bar.hidden = true;
    this.jobs.say(text);
    if (!this.buttons.querySelector("[data-remove]")) this.offer(["Remove", () => this.remove()]);
  }

  follow(told) {
    this.id = told.id;
    noteJob(told.id, this.title, this.model?.title);
    this.show(told);
  }

  async look(id, isOld = false) {
    if (this.isGone) return;
    this.id = id;
    try {
      const answer = await fetch(`/api/jobs/${encodeURIComponent(id)}`);
      const told = await answer.json();
      if (answer.ok) this.show(told);
      else if (isOld) this.jobs.close(this);
      else this.refused(told.error);
    } catch {
      this.waits("the server does not answer; looking again");
      this.later();
    }
  }

  later() {
    this.pause = Math.min(SELDOM, this.pause * 1.1);
    setTimeout(() => this.look(this.id), this.pause);
  }

  show(told) {
    if (this.isGone) return;
    this.progress(told.fraction);
    this.element.dataset.state = told.state;
    const isWalk = told.kind === "sample" && told.walk;
    this.grid.className = `grid${told.kind === "sample" ? " small" : ""}${told.total === 1 ? " one" : ""}`;
    if (!isWalk) for (const picture of told.pictures) this.cell(picture, told.kind).show(picture);
    if (!OVER.has(told.state)) {
      const ahead = told.ahead ? `waits for ${told.ahead} ${told.ahead === 1 ? "job" : "jobs"} before it` : "";
      this.tell(ahead || (told.state === "waiting" ? "waits" : `${told.done} of ${told.total} done`));
      this.later();
      return;
    }
    if (isWalk && !this.player) this.walk(told);
    const made = told.kind === "sample" ? "made" : "translated";
    const parts = [`${told.done} of ${told.total} ${made}`];
    if (told.state === "cancelled") parts.push("cancelled");
    if (told.failed) parts.push(`${told.failed} failed`);
    if (told.error) parts.push(told.error);
    this.ended(`${this.title}: ${parts.join(", ")}`);
    this.tell([parts.join(", "), ...told.remarks].join(" · "), told.state === "failed" ? "bad" : "faint");
    const sole = told.total === 1 && told.pictures[0].result;
    const offers = sole ? [["Download", sole]] : told.all ? [["Download all", told.all]] : [];
    this.offer(...offers, ["Remove", () => this.remove()]);
  }

  cell(picture, kind) {
    if (!this.cells.has(picture.number)) {
      const cell = new Cell(picture, this.model, kind);
      this.cells.set(picture.number, cell);
      this.grid.append(cell.element);
    }
    return this.cells.get(picture.number);
  }

  // The frames of a walk, by hand; the animation is for keeping.
  walk(told) {
    const image = make("img", "", { alt: `Frame 1 of ${told.total}` });
    const range = make("input", "", { type: "range", min: 0, max: told.total - 1, value: 0, "aria-label": "Frame of the walk" });
    const show = () => {
      image.src = told.pictures[Number(range.value)].result;
      image.alt = `Frame ${Number(range.value) + 1} of ${told.total}`;
    };
    range.addEventListener("input", show);
    show();
    const link = make("a", "button", { href: told.walk, download: "walk.gif" }, "Download the animation");
    this.player = make("div", "player", {}, image, range, link);
    this.grid.replaceWith(this.player);
  }

  async cancel() {
    this.stopping();
    if (!this.id) {
      this.isGone = true;
      this.jobs.close(this);
      return;
    }
    this.tell("is being cancelled");
    await fetch(`/api/jobs/${this.id}`, { method: "DELETE" }).catch(() => {});
    this.pause = SOON;
  }

  async remove() {
    this.isGone = true;
    this.jobs.close(this);
    if (this.id) await fetch(`/api/jobs/${this.id}`, { method: "DELETE" }).catch(() => {});
  }
}
