// The sample grids of a report: a slider through time, and one of them enlarged.

const { grids } = JSON.parse(document.getElementById("content").textContent);

if (grids.length) {
  const [when, step, button, play, earlier, later, large] = ["when", "step", "grid", "play", "earlier", "later", "large"].map(
    (name) => document.getElementById(name),
  );
  const picture = button.querySelector("img");
  let playing = null;

  const make = (kind, text, act) => {
    const element = document.createElement(kind);
    element.textContent = text;
    if (act) Object.assign(element, { type: "button", onclick: act });
    return element;
  };
  const whole = document.createElement("img");
  const place = make("div", "");
  const said = make("output", "");
  const bar = make("div", "");
  const size = make("button", "1:1", () => enlarge(!isFit));
  let isFit = true;
  place.className = "whole";
  place.tabIndex = 0;
  bar.className = "row";
  place.append(whole);
  bar.append(said, make("button", "‹", () => move(-1)), make("button", "›", () => move(1)), size, make("button", "×", () => large.close()));
  bar.children[1].setAttribute("aria-label", "Earlier samples");
  bar.children[2].setAttribute("aria-label", "Later samples");
  bar.children[4].setAttribute("aria-label", "Close");
  large.append(bar, place);

  function show(index) {
    const grid = grids[index];
    const text = `step ${grid.step} (${index + 1} of ${grids.length})`;
    when.value = index;
    when.setAttribute("aria-valuetext", `step ${grid.step}`);
    for (const image of [picture, whole]) {
      image.src = grid.address;
      image.alt = `Samples at step ${grid.step}`;
      [image.width, image.height] = [grid.width, grid.height];
    }
    step.value = text;
    said.value = text;
    earlier.disabled = index === 0;
    later.disabled = index === grids.length - 1;
    enlarge(isFit);
  }

  function move(by) {
    const next = Number(when.value) + by;
    if (next >= 0 && next < grids.length) show(next);
  }

  function enlarge(fit) {
    isFit = fit;
    const grid = grids[Number(when.value)];
    const least = fit ? Math.min(place.clientWidth / grid.width, place.clientHeight / grid.height) : Math.max(1, 2 / devicePixelRatio);
    whole.style.width = large.open ? `${Math.floor(grid.width * least)}px` : "";
    whole.style.height = "auto";
    whole.style.imageRendering = least * devicePixelRatio > 1 ? "pixelated" : "auto";
    size.textContent = fit ? "Larger" : "Fit";
  }

  function stop() {
    clearInterval(playing);
    playing = null;
    play.textContent = "Play";
  }

  when.max = grids.length - 1;
  when.disabled = grids.length === 1;
  play.disabled = grids.length === 1;
  when.addEventListener("input", () => {
    stop();
    show(Number(when.value));
  });
  for (const [arrow, by] of [[earlier, -1], [later, 1]]) {
    arrow.addEventListener("click", () => {
      stop();
      move(by);
    });
  }
  play.addEventListener("click", () => {
    if (playing !== null) return stop();
    if (Number(when.value) === grids.length - 1) show(0);
    play.textContent = "Stop";
    playing = setInterval(() => {
      move(1);
      if (Number(when.value) === grids.length - 1) stop();
    }, 500);
    return undefined;
  });
  button.addEventListener("click", () => {
    large.showModal();
    enlarge(true);
    place.focus();
  });
  addEventListener("resize", () => enlarge(isFit));
  document.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const isTaken = event.target.closest?.("input, select, pre, before-after, .plot");
    if (!by || isTaken || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!isFit && large.open) return;
    event.preventDefault();
    stop();
    move(by);
  });
  show(grids.length - 1);
}
