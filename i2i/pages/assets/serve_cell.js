// One picture of a job: how far it is, then what came of it.
import { make } from "./serve_form.js";

const WORDS = { waiting: "waits", working: "at work", cancelled: "cancelled" };

export class Cell {
  constructor(picture, model, kind) {
    Object.assign(this, { model, kind });
    this.frame = make("div", "waits");
    this.name = make("span", "name", {}, picture.label);
    this.state = make("span", "state");
    this.element = make("figure", "picture", {}, this.frame, make("figcaption", "", {}, this.name, this.state));
    this.shown = "";
  }

  show(picture) {
    const key = `${picture.state} ${picture.fraction}`;
    if (key === this.shown) return;
    this.shown = key;
    this.element.dataset.state = picture.state;
    if (picture.state === "done") {
      this.finish(picture);
      return;
    }
    const share = picture.fraction > 0 ? `, ${Math.round(100 * picture.fraction)} %` : "";
    const isFailed = picture.state === "failed";
    this.state.className = isFailed ? "state bad" : "state";
    this.state.textContent = isFailed ? picture.error || "failed" : "";
    this.frame.textContent = isFailed ? "✕" : WORDS[picture.state] + share;
  }

  finish(picture) {
    this.state.className = "state";
    this.state.textContent = picture.lost.join("; ");
    const link = make("a", "get", { href: picture.result, download: picture.name, "aria-label": `Download ${picture.name}` }, "Download");
    this.state.after(link);
    if (this.kind === "sample") {
      const image = make("img", "made", { src: picture.result, alt: picture.name, loading: "lazy" });
      this.frame.replaceWith(image);
      return;
    }
    if (!picture.preview) {
      this.frame.textContent = "too large to show; download it";
      return;
    }
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      this.frame.replaceWith(make("before-after", "", this.#compared(picture)));
    });
    this.frame.textContent = "";
    seen.observe(this.frame);
  }

  // What was sent may be too large to be shown where the answer is not.
  #compared({ original, preview }) {
    const title = this.model?.title ?? "after";
    if (!original) return { before: preview, "before-label": title };
    return { before: original, after: preview, "before-label": "before", "after-label": title };
  }
}
