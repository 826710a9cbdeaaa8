// <before-after before="URL" after="URL" before-label="photo" after-label="painting">: two pictures in one frame with
// a divider between them, zoom and panning. Without `after` it shows one picture. `width` and `height` in pixels keep
// its place until the pictures are there. Methods: fit(), actual(), zoomIn(), zoomOut(); property: at, from 0 to 1.

const GRIP = 28; // CSS pixels beside the divider that still take hold of it
const LARGEST = 64; // device pixels a pixel of the picture
const SIDES = ["before", "after"];

class BeforeAfter extends HTMLElement {
  static observedAttributes = ["before", "after", "before-label", "after-label", "width", "height"];
  #drawn = null; // CSS pixels of the picture's width; null: as large as fits
  #centre = { x: 0.5, y: 0.5 }; // of the frame, as a part of the picture
  #fingers = new Map();
  #grasp = null;
  #at = 0.5;
  #shape = 0;

  connectedCallback() {
    if (!this.frame) this.#build();
    this.sizes.observe(this.frame);
    this.#read();
  }

  disconnectedCallback() {
    this.sizes.disconnect();
  }

  attributeChangedCallback() {
    if (this.frame && this.isConnected) this.#read();
  }

  get at() {
    return this.#at;
  }

  set at(part) {
    this.#at = Math.min(1, Math.max(0, Number(part) || 0));
    if (this.frame) this.#draw();
  }

  get isFit() {
    return this.#drawn === null;
  }

  fit() {
    this.#drawn = null;
    this.#centre = { x: 0.5, y: 0.5 };
    this.#draw();
  }

  actual(point) {
    this.#zoomTo(this.#picture().width / devicePixelRatio, point);
  }

  zoomIn(point) {
    this.#step((step, now) => step > now * 1.01, point);
  }

  zoomOut(point) {
    this.#step((step, now) => step < now * 0.99, point);
  }

  #build() {
    this.frame = make("div", "ba-frame", { tabindex: "-1" });
    this.images = {};
    this.labels = {};
    for (const side of SIDES) {
      const image = make("img", `ba-${side}`, { draggable: "false", decoding: "async" });
      image.addEventListener("load", () => this.#arrived());
      image.addEventListener("error", () => this.#arrived());
      const label = make("span", "ba-label");
      const half = make("div", `ba-side ba-of-${side}`);
      half.append(image, label);
      this.frame.append(half);
      this.images[side] = image;
      this.labels[side] = label;
    }
    this.range = make("input", "ba-range", { type: "range", min: "0", max: "100", step: "1" });
    this.range.addEventListener("input", () => (this.at = this.range.value / 100));
    this.divider = make("div", "ba-divider");
    this.divider.append(make("div", "ba-handle"));
    this.note = make("p", "ba-note", { role: "status" });
    this.frame.append(this.range, this.divider, this.note);

    this.bar = make("div", "ba-bar", { role: "group", "aria-label": "Zoom" });
    this.percent = make("output", "ba-percent");
    const buttons = [
      ["−", "Zoom out", () => this.zoomOut()],
      ["+", "Zoom in", () => this.zoomIn()],
      ["1:1", "One pixel of the picture on one of the screen", () => this.actual()],
      ["Fit", "All of the picture", () => this.fit()],
    ].map(([text, label, act]) => {
      const button = make("button", "", { type: "button", "aria-label": label, title: label });
      button.textContent = text;
      button.addEventListener("click", act);
      return button;
    });
    this.bar.append(...buttons, this.percent);
    this.replaceChildren(this.frame, this.bar);
    this.sizes = new ResizeObserver(() => this.#draw());
    this.#listen();
  }

  #listen() {
    const frame = this.frame;
    frame.addEventListener("pointerdown", (event) => this.#press(event));
    frame.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, (event) => this.#release(event));
    frame.addEventListener("dblclick", (event) => {
      if (!this.isFit) this.fit();
      else if (this.hasAttribute("single")) this.actual(this.#point(event));
    });
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.addEventListener("keydown", (event) => {
      const acts = { "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "fit" };
      if (!(event.key in acts) || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this[acts[event.key]]();
    });
  }

  #read() {
    for (const side of SIDES) {
      const [image, address] = [this.images[side], this.getAttribute(side)];
      const name = this.getAttribute(`${side}-label`) ?? "";
      if (!address) image.removeAttribute("src");
      else if (image.getAttribute("src") !== address) image.setAttribute("src", address);
      image.alt = name || side;
      this.labels[side].textContent = name;
      this.labels[side].hidden = !name;
    }
    this.range.setAttribute("aria-label", `Divider: ${this.images.before.alt} left, ${this.images.after.alt} right`);
    this.#arrived();
  }

  // A picture came, went or failed: the view stays where the shape does.
  #arrived() {
    const both = SIDES.filter((side) => this.getAttribute(side));
    this.toggleAttribute("single", both.length < 2);
    const failed = both.filter((side) => this.images[side].complete && !this.images[side].naturalWidth);
    this.note.textContent = failed.map((side) => `${this.images[side].alt} cannot be shown`).join("; ");
    const { width, height } = this.#picture();
    const shape = width / height;
    if (Math.abs(shape / this.#shape - 1) > 0.02) [this.#drawn, this.#centre] = [null, { x: 0.5, y: 0.5 }];
    this.#shape = shape;
    this.frame.style.setProperty("--ba-shape", shape);
    for (const side of both) {
      const { naturalWidth, naturalHeight } = this.images[side];
      const differs = naturalWidth && Math.abs(naturalWidth / naturalHeight / shape - 1) > 0.05;
      this.images[side].style.objectFit = differs ? "contain" : "fill";
    }
    this.#draw();
  }

  // The larger of the two in pixels; before either is there, what the attributes say.
  #picture() {
    const sizes = SIDES.filter((side) => this.getAttribute(side))
      .map((side) => this.images[side])
      .map((image) => ({ width: image.naturalWidth, height: image.naturalHeight }))
      .filter((size) => size.width && size.height);
    if (sizes.length) return sizes.reduce((most, size) => (size.width > most.width ? size : most));
    return { width: Number(this.getAttribute("width")) || 4, height: Number(this.getAttribute("height")) || 3 };
  }

  // Where the picture lies in the frame, in CSS pixels.
  #place() {
    const [wide, high, { width, height }] = [this.frame.clientWidth, this.frame.clientHeight, this.#picture()];
    const fit = Math.min(wide, (high * width) / height);
    const drawn = this.#drawn ?? fit;
    const tall = (drawn * height) / width;
    const grain = (value) => Math.round(value * devicePixelRatio) / devicePixelRatio;
    const begin = (room, size, centre) =>
      grain(size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, room / 2 - centre * size)));
    const left = begin(wide, drawn, this.#centre.x);
    const top = begin(high, tall, this.#centre.y);
    const [from, to] = [Math.max(0, left), Math.min(wide, left + drawn)];
    return { wide, high, fit, drawn, tall, left, top, divider: from + this.#at * (to - from), from, to };
  }

  #draw() {
    const place = this.#place();
    if (!place.wide) return;
    if (this.#drawn !== null) {
      const part = (room, begin, size) => (size <= room ? 0.5 : (room / 2 - begin) / size);
      this.#centre = {
        x: part(place.wide, place.left, place.drawn),
        y: part(place.high, place.top, place.tall),
      };
    }
    for (const side of SIDES) {
      const image = this.images[side];
      Object.assign(image.style, {
        left: `${place.left}px`,
        top: `${place.top}px`,
        width: `${place.drawn}px`,
        height: `${place.tall}px`,
      });
      const grain = (place.drawn * devicePixelRatio) / (image.naturalWidth || place.drawn);
      image.style.imageRendering = grain > 1.99 ? "pixelated" : "auto";
    }
    this.style.setProperty("--ba-at", `${place.divider}px`);
    const edges = { top: place.top, bottom: place.high - place.top - place.tall, left: place.from, right: place.wide - place.to };
    for (const [edge, gap] of Object.entries(edges)) this.style.setProperty(`--ba-${edge}`, `${Math.max(0, gap)}px`);
    this.frame.style.touchAction = this.isFit ? "pan-y" : "none";
    this.frame.classList.toggle("ba-large", place.drawn > place.wide + 1 || place.tall > place.high + 1);
    this.range.value = Math.round(this.#at * 100);
    this.range.setAttribute("aria-valuetext", `${this.images.before.alt} ${Math.round(this.#at * 100)} %`);
    const percent = (100 * place.drawn * devicePixelRatio) / this.#picture().width;
    this.percent.value = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
  }

  #zoomTo(drawn, point) {
    const place = this.#place();
    const one = this.#picture().width / devicePixelRatio;
    const next = Math.min(Math.max(drawn, Math.min(place.fit, one)), Math.max(one * LARGEST, place.fit));
    const spot = point ?? { x: place.wide / 2, y: place.high / 2 };
    const ratio = next / place.drawn;
    const [left, top] = [spot.x - (spot.x - place.left) * ratio, spot.y - (spot.y - place.top) * ratio];
    this.#drawn = Math.abs(next - place.fit) < 0.5 ? null : next;
    this.#centre = { x: (place.wide / 2 - left) / next, y: (place.high / 2 - top) / (place.tall * ratio) };
    this.#draw();
  }

  // To the next of: as large as fits, and the powers of two.
  #step(isNext, point) {
    const { fit, drawn } = this.#place();
    const one = this.#picture().width / devicePixelRatio;
    const steps = [fit, ...Array.from({ length: 16 }, (_, power) => one * 2 ** (power - 9))];
    const next = steps.filter((step) => isNext(step, drawn));
    if (next.length) this.#zoomTo(next.reduce((a, b) => (Math.abs(a - drawn) < Math.abs(b - drawn) ? a : b)), point);
  }

  #point(event) {
    const box = this.frame.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #press(event) {
    if (event.button) return;
    const [point, place] = [this.#point(event), this.#place()];
    this.#fingers.set(event.pointerId, point);
    this.frame.setPointerCapture(event.pointerId);
    if (this.#fingers.size > 1) {
      this.#grasp = "pinch";
      return;
    }
    const isNear = !this.hasAttribute("single") && Math.abs(point.x - place.divider) < GRIP;
    const isLarge = this.frame.classList.contains("ba-large");
    this.#grasp = isNear || (!isLarge && !this.hasAttribute("single")) ? "divider" : "pan";
    if (this.#grasp === "divider" && event.pointerType === "mouse") this.#slide(point, place);
  }

  #move(event) {
    const before = this.#fingers.get(event.pointerId);
    if (!before) return;
    const [point, place] = [this.#point(event), this.#place()];
    if (this.#grasp === "pinch") this.#pinch(event.pointerId, before, point);
    else if (this.#grasp === "divider") this.#slide(point, place);
    else if (this.#drawn !== null) {
      this.#centre.x -= (point.x - before.x) / place.drawn;
      this.#centre.y -= (point.y - before.y) / place.tall;
      this.#draw();
    }
    this.#fingers.set(event.pointerId, point);
  }

  #release(event) {
    this.#fingers.delete(event.pointerId);
    if (!this.#fingers.size) this.#grasp = null;
  }

  #slide(point, place) {
    this.at = (point.x - place.from) / (place.to - place.from || 1);
  }

  #pinch(moved, before, point) {
    const other = [...this.#fingers].find(([id]) => id !== moved)?.[1];
    if (!other) return;
    const apart = (spot) => Math.hypot(spot.x - other.x, spot.y - other.y) || 1;
    const middle = { x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 };
    this.#zoomTo((this.#place().drawn * apart(point)) / apart(before), middle);
  }

  #wheel(event) {
    if (!event.ctrlKey && !this.contains(document.activeElement)) return;
    if (this.isFit && event.deltaY > 0 && !event.ctrlKey) return;
    event.preventDefault();
    const turned = Math.max(-1, Math.min(1, event.deltaY / 100));
    this.#zoomTo(this.#place().drawn * 2 ** (-turned / 2), this.#point(event));
  }
}

function make(kind, name, attributes = {}) {
  const element = document.createElement(kind);
  if (name) element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

if (!customElements.get("before-after")) customElements.define("before-after", BeforeAfter);
