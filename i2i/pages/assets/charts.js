// The curves of a report: drawn by Plotly, smoothed, on a linear or a logarithmic scale, in the colours of the page.

const told = JSON.parse(document.getElementById("content").textContent);
const room = document.getElementById("charts");
const smoothing = document.getElementById("smoothing");
const logarithmic = document.getElementById("logarithmic");
const smoothed = document.getElementById("smoothed");
const usual = smoothing?.value;
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 600px)");
const touched = matchMedia("(pointer: coarse)");
const LINES = {
  light: ["#1f6f78", "#c2571a", "#6a4fa3", "#3d7a2e", "#b0356b", "#8a6d00", "#2f62b3", "#6b665f"],
  dark: ["#6cc3cc", "#f0985c", "#b7a0ec", "#8fcf7c", "#f08db4", "#dcc04f", "#86b1f5", "#b5aea3"],
};
const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

const last = Math.max(1, ...told.charts.flatMap((chart) => chart.curves.map((curve) => curve.steps.at(-1))));
const all = [-last / 100, last * 1.01]; // steps

const plain = (text) => String(text).replace(/[&<>]/g, (sign) => SIGNS[sign]);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// As TensorBoard smooths: an exponential moving average, rid of its bias towards 0 at the beginning.
function average(values, weight) {
  let last = 0;
  return values.map((value, index) => {
    last = last * weight + (1 - weight) * value;
    return last / (1 - weight ** (index + 1));
  });
}

function traces(chart, weight, isLog) {
  const lines = LINES[dark.matches ? "dark" : "light"];
  const isSmoothed = chart.smoothed && weight > 0;
  const hovertemplate = narrow.matches ? "step %{x:,d}: %{y:.4~g}" : "%{y:.4~g}";
  const drawn = [];
  chart.curves.forEach((curve, index) => {
    const own = { name: plain(curve.title), legendgroup: curve.name, type: "scatter", line: { width: 1.8, color: lines[index % lines.length] } };
    const mode = curve.steps.length < 30 ? "lines+markers" : "lines";
    const raw = { ...own, x: curve.steps, y: curve.values, mode, marker: { size: 5 }, hovertemplate };
    if (!isSmoothed || curve.steps.length < 2) return drawn.push(raw);
    const [x, y] = curve.means.length ? [curve.meanSteps, curve.means] : [curve.steps, curve.values];
    drawn.push({ ...raw, mode: "lines", opacity: 0.3, line: { ...own.line, width: 1 }, showlegend: false });
    return drawn.push({ ...own, x, y: average(y, weight), mode: "lines", hoverinfo: "skip" });
  });
  const { best } = told;
  const measured = chart.curves.find((curve) => curve.name === best?.metric);
  if (measured && !(isLog && best.value <= 0)) {
    const marker = { symbol: "star", size: 13, color: colour("good") };
    const value = measured.values[measured.steps.indexOf(best.step)] ?? best.value;
    drawn.push({ name: "best", x: [best.step], y: [value], mode: "markers", marker, hovertemplate, cliponaxis: false });
  }
  if (told.marks.length) {
    drawn.push({
      name: "warnings",
      x: told.marks.map((mark) => mark.step),
      y: told.marks.map(() => 1),
      text: told.marks.map((mark) => wrapped(mark.text)),
      yaxis: "y2",
      mode: "markers",
      marker: { symbol: "triangle-down", size: 11, color: colour("warn") },
      hovertemplate: "%{text}<extra></extra>",
      cliponaxis: false,
      showlegend: false,
    });
  }
  return drawn;
}

function wrapped(text) {
  const words = plain(text.length > 240 ? `${text.slice(0, 240)}…` : text).split(" ");
  const lines = [""];
  for (const word of words) {
    if (lines.at(-1).length + word.length > 48) lines.push("");
    lines[lines.length - 1] += `${word} `;
  }
  return lines.join("<br>");
}

function layout(chart, isLog) {
  const [ink, faint, line, raised] = ["ink", "faint", "line", "raised"].map(colour);
  const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, tickfont: { color: faint }, automargin: true };
  const y = { ...axis, type: isLog ? "log" : "linear", uirevision: `scale ${isLog}`, rangemode: chart.fromZero ? "tozero" : "normal" };
  return {
    uirevision: "kept",
    margin: { l: 44, r: 12, t: touched.matches ? 36 : 14, b: 34 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
    hovermode: narrow.matches ? "closest" : "x unified",
    hoverlabel: { bgcolor: raised, bordercolor: line, font: { color: ink } },
    dragmode: touched.matches ? false : "zoom",
    showlegend: chart.curves.length > 1,
    legend: { orientation: "h", x: 0, y: -0.14, yanchor: "top", font: { color: ink } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: faint, activecolor: colour("accent") },
    xaxis: { ...axis, uirevision: "kept", range: [...all], autorange: false, hoverformat: ",d", tickformat: "~s" },
    yaxis: { ...y, exponentformat: "power", nticks: 7 },
    yaxis2: { overlaying: "y", range: [0, 1], fixedrange: true, visible: false },
    shapes: told.marks.map(({ step }) => ({
      type: "line", x0: step, x1: step, yref: "paper", y0: 0, y1: 1, layer: "below",
      line: { color: colour("warn"), width: 1, dash: "dot" },
    })),
  };
}

const CONFIG = {
  responsive: true,
  displaylogo: false,
  displayModeBar: touched.matches ? true : "hover",
  modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
  plotlyServerURL: "",
  topojsonURL: "",
  showTips: false,
  doubleClick: "reset",
};

const places = told.charts.map((chart) => {
  const [figure, title, plot] = ["figure", "h3", "div"].map((kind) => document.createElement(kind));
  figure.className = "card chart";
  title.textContent = chart.title;
  plot.className = "plot";
  plot.setAttribute("role", "group");
  plot.tabIndex = 0;
  plot.addEventListener("keydown", (event) => byKeys(event, plot));
  const newest = chart.curves.map((curve) => `${curve.title} ${curve.values.at(-1)} at step ${curve.steps.at(-1)}`);
  plot.setAttribute("aria-label", `${chart.title}: ${newest.join(", ")}`);
  // Fingers scroll the page until its bar lets them zoom or pan; a tap still tells values.
  const keep = (event) => plot.layout?.dragmode === false && event.stopPropagation();
  for (const kind of ["touchstart", "touchmove"]) plot.addEventListener(kind, keep, { capture: true, passive: true });
  figure.append(title, plot);
  room.append(figure);
  return plot;
});

let drawing = 0;
function busy(by) {
  drawing += by;
  room.setAttribute("aria-busy", String(drawing > 0));
}

function draw() {
  const weight = Number(smoothing.value);
  smoothed.value = weight.toFixed(2);
  return Promise.all(
    told.charts.map((chart, index) => {
      const isLog = logarithmic.checked && chart.curves.some((curve) => curve.values.some((value) => value > 0));
      const shown = { ...CONFIG, toImageButtonOptions: { filename: chart.title, scale: 2 } };
      return Plotly.react(places[index], traces(chart, weight, isLog), layout(chart, isLog), shown);
    }),
  );
}

// What is zoomed into in one is in all: the same steps. Those that follow tell of it too, which leads nobody.
const following = new Map(); // place → how often it will still tell

function follow(place, change) {
  if (following.has(place)) following.set(place, following.get(place) + 1);
  return Plotly.relayout(place, change);
}

function together(leader, change) {
  if (following.get(leader)) {
    following.set(leader, following.get(leader) - 1);
    return;
  }
  const range = change["xaxis.range"] ?? [change["xaxis.range[0]"], change["xaxis.range[1]"]];
  if (range[0] === undefined) return;
  for (const place of places) {
    if (place !== leader) follow(place, { "xaxis.range": [...range], "yaxis.autorange": true });
  }
}

function byKeys(event, plot) {
  const [from, to] = plot.layout.xaxis.range;
  const part = (to - from) / 4;
  const moves = { "+": [part, -part], "=": [part, -part], "-": [-2 * part, 2 * part], ArrowLeft: [-part, -part], ArrowRight: [part, part] };
  const move = moves[event.key];
  if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const range = [Math.max(all[0], from + move[0]), Math.min(all[1], to + move[1])];
  if (range[1] > range[0]) Plotly.relayout(plot, { "xaxis.range": range });
}

if (told.charts.length) {
  let isDue = false;
  const redraw = () => {
    if (isDue) return;
    isDue = true;
    busy(1);
    requestAnimationFrame(() => {
      isDue = false;
      draw().finally(() => busy(-1));
    });
  };
  busy(1);
  draw().then(() => {
    busy(-1);
    for (const place of places) {
      following.set(place, 0);
      place.on("plotly_relayout", (change) => together(place, change));
    }
  });
  smoothing.addEventListener("input", redraw);
  logarithmic.addEventListener("change", redraw);
  for (const query of [dark, narrow]) query.addEventListener("change", redraw);
  document.getElementById("reset").addEventListener("click", async () => {
    [smoothing.value, logarithmic.checked] = [usual, false];
    busy(1);
    await draw();
    await Promise.all(places.map((place) => follow(place, { "xaxis.range": [...all], "yaxis.autorange": true })));
    busy(-1);
  });
}
