// Charts: stacked bars over time, drawn by uPlot from the JSON in data-chart. Drag to zoom into a span.

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const plain = new Intl.NumberFormat("en");
const drawn = new Map();
const KEPT = "rune.hidden-series";
const hidden = new Set(JSON.parse(localStorage.getItem(KEPT) ?? "[]"));

function load() {
  if (window.uPlot) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("../vendor/uplot.js", import.meta.url);
    script.onload = resolve;
    script.onerror = () => reject(new Error("uplot.js was not loaded"));
    document.head.append(script);
  });
}

// Colours come from the style sheet, so that themes need no second list.
function colour(name) {
  const probe = document.createElement("i");
  probe.className = `chart-colors c-${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function stacked(lines) {
  const sums = new Array(lines[0]?.values.length ?? 0).fill(0);
  return lines.map((line) => (hidden.has(line.name) ? sums.slice() : line.values.map((value, at) => (sums[at] += value))));
}

function label(seconds, step, zone) {
  const at = new Date(seconds * 1000);
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: zone }).format(at);
  if (step >= 86400) return day;
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
  if (step < 60) options.second = "2-digit";
  return `${day} ${new Intl.DateTimeFormat("en-GB", options).format(at)}`;
}

// Hours of the clock; the day where one begins.
function tickText(seconds, zone) {
  const at = new Date(seconds * 1000);
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone }).format(at);
  if (clock !== "00:00") return clock;
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: zone }).format(at);
}

function tooltip(element, data, zone) {
  const tip = document.createElement("div");
  tip.className = "chart-tip";
  tip.hidden = true;
  element.append(tip);
  return (plot) => {
    const at = plot.cursor.idx;
    if (at == null || plot.cursor.left < 0) {
      tip.hidden = true;
      return;
    }
    const rows = data.lines.filter((line) => !hidden.has(line.name) && line.values[at]).map((line) => {
      const row = document.createElement("div");
      const dot = document.createElement("span");
      dot.className = `dot dot-${line.tone}`;
      const number = document.createElement("b");
      number.textContent = plain.format(line.values[at]);
      row.append(dot, line.name, number);
      return row;
    });
    const head = document.createElement("div");
    head.className = "faint";
    head.textContent = label(data.times[at], data.step, zone);
    tip.replaceChildren(head, ...rows.reverse());
    tip.hidden = false;
    const box = plot.over.getBoundingClientRect();
    const base = element.getBoundingClientRect();
    const left = box.left - base.left + plot.cursor.left;
    const width = tip.offsetWidth;
    tip.style.transform = `translate(${left + width + 24 > base.width ? left - width - 12 : left + 12}px, 4px)`;
  };
}

function options(element, data, zone) {
  const small = element.clientHeight < 120;
  const axis = { stroke: colour("axis"), font: "11px Inter, system-ui, sans-serif", ticks: { show: false } };
  const show = tooltip(element, data, zone);
  const bars = uPlot.paths.bars({ size: [0.82, 28], radius: data.times.length < 100 ? 0.12 : 0, align: 1 });
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    padding: [6, 18, 0, 0], // To the right, half of the widest label: the last may stand at the very end.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: Boolean(data.zoom), y: false, setScale: false } },
    scales: {
      x: { time: true, range: () => [data.times[0], data.times[data.times.length - 1] + data.step] },
      y: { range: (plot, low, high) => [0, Math.max(4, high * 1.08)] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 24, space: 64, values: (plot, ticks) => ticks.map((tick) => tickText(tick, zone)) },
      { ...axis, grid: { stroke: colour("grid"), width: 1 }, size: 42, space: small ? 34 : 42, values: (plot, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? compact.format(tick) : "")) },
    ],
    series: [{}, ...data.lines.map((line) => ({ label: line.name, fill: colour(line.tone), width: 0, paths: bars, points: { show: false } })).reverse()],
    hooks: {
      setCursor: [show],
      setSelect: [(plot) => {
        if (plot.select.width < 6) return;
        const since = Math.floor(plot.posToVal(plot.select.left, "x"));
        const until = Math.ceil(plot.posToVal(plot.select.left + plot.select.width, "x"));
        const stamp = (at) => new Date(at * 1000).toISOString().slice(0, 19) + "Z";
        location.assign(`${data.zoom}since=${stamp(since)}&until=${stamp(until)}`);
      }],
    },
  };
}

function draw(element) {
  drawn.get(element)?.destroy();
  element.replaceChildren();
  const data = JSON.parse(element.dataset.chart);
  const zone = document.body.dataset.zone || "UTC";
  const plot = new uPlot(options(element, data, zone), [data.times, ...stacked(data.lines).reverse()], element);
  drawn.set(element, plot);
  if (element.hasAttribute("data-chart-legend")) legend(element, data);
}

function legend(element, data) {
  if (element.nextElementSibling?.matches(".legend")) return;
  const list = document.createElement("ul");
  list.className = "legend";
  for (const line of data.lines) {
    const item = document.createElement("li");
    const dot = document.createElement("span");
    dot.className = `dot dot-${line.tone}`;
    const sum = document.createElement("b");
    sum.textContent = compact.format(line.values.reduce((total, value) => total + value, 0));
    item.append(dot, line.name, " ", sum);
    list.append(item);
  }
  element.after(list);
}

const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const plot = drawn.get(target);
    if (plot && target.clientWidth) plot.setSize({ width: target.clientWidth, height: target.clientHeight });
  }
});

// A chart's legend says what is shown, and changes it.
function press() {
  for (const button of document.querySelectorAll("[data-series]")) button.setAttribute("aria-pressed", String(!hidden.has(button.dataset.series)));
}

function drawAll() {
  press();
  for (const element of [...drawn.keys()]) {
    if (!element.isConnected) {
      drawn.get(element).destroy();
      drawn.delete(element);
      resized.unobserve(element);
    }
  }
  for (const element of document.querySelectorAll("[data-chart]")) {
    if (drawn.has(element)) continue;
    draw(element);
    resized.observe(element);
  }
}

function redrawAll() {
  for (const element of drawn.keys()) draw(element);
}

export async function startCharts() {
  await load();
  drawAll();
  document.addEventListener("htmx:afterSettle", drawAll);
  document.addEventListener("rune:theme", redrawAll);
  document.addEventListener("click", (event) => {
    const toggle = event.target.closest("[data-series]");
    if (!toggle) return;
    const name = toggle.dataset.series;
    if (!hidden.delete(name)) hidden.add(name);
    localStorage.setItem(KEPT, JSON.stringify([...hidden]));
    press();
    redrawAll();
  });
}
