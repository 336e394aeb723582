// Figures over time. The agent tells how it is now; that it was otherwise, only this page knows.

import { byId, element, moment, say, set, shape, short } from "./dom.js";

/** The window grows with what there is to see. */
const WINDOWS_MS = [60_000, 120_000, 300_000, 600_000];
const WINDOW_MS = WINDOWS_MS.at(-1);
/** Over how long a rate is taken: members probe once a second, more or less. */
const RATE_MS = 5000;
const SAMPLES_MAX = 700;
const WIDTH = 300;
const HEIGHT = 90;
/** Between samples further apart nothing is known. */
const GAP_MS = 30_000;

const total = (stats, names) => names.reduce((sum, name) => sum + (stats[name] ?? 0), 0);
const UNSENT = ["send_too_big", "send_busy", "send_unreachable", "send_closed", "send_io"];

/** Each with its lines: how it is called, like what it looks, and what it is of a sample. */
const CHARTS = [
  {
    title: "Members",
    least: 4,
    lines: [
      ["alive", "alive", (sample) => sample.states.alive],
      ["suspect", "suspect", (sample) => sample.states.suspect],
      ["down", "down", (sample) => sample.states.down],
    ],
  },
  {
    title: "Local health: 0 is best",
    least: 8,
    lines: [["score", "one", ({ stats }) => stats.local_health]],
  },
  {
    title: "Packets a second",
    least: 4,
    lines: [
      ["in", "one", rate((stats) => stats.packets_in)],
      ["out", "two", rate((stats) => stats.packets_out)],
    ],
  },
  {
    title: "Bytes of gossip a second",
    least: 400,
    lines: [
      ["in", "one", rate((stats) => stats.bytes_in)],
      ["out", "two", rate((stats) => stats.bytes_out)],
    ],
  },
  {
    title: "Trouble a second",
    least: 1,
    lines: [
      ["probes unanswered", "down", rate((stats) => stats.probes_failed)],
      ["packets refused", "suspect", rate((stats) => stats.packets_refused)],
      ["packets unsent", "two", rate((stats) => total(stats, UNSENT))],
    ],
  },
  {
    title: "Waiting to be spread",
    least: 8,
    lines: [
      ["updates", "one", ({ stats }) => stats.updates_waiting],
      ["broadcasts", "two", ({ stats }) => stats.broadcasts_waiting],
    ],
  },
];

/** How much a counter grew a second; nothing at the first sample, and where it began anew. */
function rate(of) {
  return (sample, before) => {
    if (!before) return null;
    const grown = of(sample.stats) - of(before.stats);
    return grown < 0 ? null : (grown * 1000) / (sample.at - before.at);
  };
}

export class Charts {
  #samples = [];
  #charts = CHARTS.map((spec) => new Chart(spec, (at) => this.#read(at)));
  #cursor = null;
  #moments = () => [];

  constructor(moments) {
    this.#moments = moments;
    byId("charts").append(...this.#charts.map((chart) => chart.node));
  }

  take(states, stats, at) {
    const sample = { states, stats, at, values: null };
    const before = this.#before(at);
    sample.values = this.#charts.map((chart) => chart.values(sample, before));
    this.#samples.push(sample);
    while (this.#samples.length > SAMPLES_MAX || at - this.#samples[0].at > WINDOW_MS) {
      this.#samples.shift();
    }
    this.draw();
  }

  /** The last sample but those of late, for rates: none from before an interruption. */
  #before(at) {
    const cut = this.#samples.findLastIndex(
      (it, index) => it.isLast || (this.#samples[index + 1]?.at ?? at) - it.at > GAP_MS,
    );
    const usable = this.#samples.slice(Math.max(cut + 1, this.#samples.length - RATE_MS / 100));
    return usable.findLast((it) => at - it.at >= RATE_MS) ?? usable[0];
  }

  /** How much is in view, in milliseconds. */
  get #window() {
    const [first, last] = [this.#samples[0]?.at ?? 0, this.#samples.at(-1)?.at ?? 0];
    return WINDOWS_MS.find((window) => window >= last - first) ?? WINDOW_MS;
  }

  /** The counters begin anew, or were not asked for a while. */
  interrupt() {
    if (this.#samples.length) this.#samples.at(-1).isLast = true;
  }

  draw() {
    const end = this.#samples.at(-1)?.at ?? 0;
    const window = this.#window;
    const moments = [...this.#moments()].filter(({ time }) => end - time < window && time <= end);
    const cursor = this.#samples.indexOf(this.#cursor);
    if (cursor < 0) this.#cursor = null;
    this.#charts.forEach((chart, index) =>
      chart.draw(this.#samples, index, { end, window, moments, cursor }),
    );
  }

  /** Shows how it was there, in all charts. */
  #read(where) {
    const last = this.#samples.length - 1;
    if (last < 0) return;
    const end = this.#samples[last].at;
    let index = null;
    if (where.part !== undefined) {
      const at = end - this.#window * (1 - where.part);
      const found = this.#samples.findIndex((sample) => sample.at >= at);
      index = found < 0 ? last : found;
    } else if (where.step) {
      const from = this.#cursor ? this.#samples.indexOf(this.#cursor) : last;
      index = Math.min(last, Math.max(0, from + where.step));
    }
    this.#cursor = index === null ? null : this.#samples[index];
    this.draw();
  }
}

class Chart {
  #lines;
  #spec;
  #top = element("span", { class: "top" });
  #ago = element("span");
  #marks = shape("g");
  #cursor = shape("path", { class: "cursor" });
  #svg = shape("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    tabindex: 0,
    role: "slider",
    "aria-orientation": "horizontal",
  });
  #when = element("span", { class: "when" });
  node;

  constructor(spec, read) {
    this.#spec = spec;
    const legend = element("ul", { class: "legend" });
    this.#lines = spec.lines.map(([name, like, of]) => {
      const value = element("b");
      const swatch = element("span", { class: `swatch ${like}`, "aria-hidden": "true" });
      legend.append(element("li", {}, swatch, `${name} `, value));
      return { name, of, value, path: shape("path", { class: `line ${like}` }) };
    });
    const base = shape("path", { class: "base", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` });
    this.#svg.append(base, this.#marks, ...this.#lines.map((line) => line.path), this.#cursor);
    this.#svg.setAttribute("aria-label", `${spec.title}, by time`);
    this.#svg.addEventListener("pointermove", (event) => {
      const box = this.#svg.getBoundingClientRect();
      read({ part: Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) });
    });
    this.#svg.addEventListener("pointerleave", () => read({}));
    this.#svg.addEventListener("blur", () => read({}));
    this.#svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -60, PageUp: 60 }[event.key];
      const way = { Home: { part: 0 }, End: { part: 1 }, Escape: {} }[event.key];
      if (!step && !way) return;
      event.preventDefault();
      read(way ?? { step });
    });
    const plot = element("div", { class: "plot" }, this.#top, this.#svg);
    const axis = element("p", { class: "axis", "aria-hidden": "true" });
    axis.append(this.#ago, element("span", {}, "now"));
    const caption = element("figcaption", {}, element("span", {}, spec.title), this.#when);
    this.node = element("figure", {}, caption, plot, axis, legend);
  }

  values(sample, before) {
    const values = this.#spec.lines.map(([, , of]) => of(sample, before));
    // Another version may not tell all of it.
    return values.map((value) => (Number.isFinite(value) ? value : null));
  }

  draw(samples, chart, { end, window, moments, cursor }) {
    const values = samples.map((sample) => sample.values[chart]);
    const most = Math.max(this.#spec.least, ...values.flat().filter((value) => value !== null));
    const top = ceiling(most);
    say(this.#top, short(top));
    say(this.#ago, `${window / 60_000} min ago`);
    const x = (at) => (WIDTH * (1 - (end - at) / window)).toFixed(1);
    const y = (value) => (HEIGHT - 1 - (value / top) * (HEIGHT - 20)).toFixed(1);
    const read = cursor < 0 ? samples.length - 1 : cursor;
    this.#lines.forEach((line, index) => {
      let path = "";
      let before = null;
      samples.forEach((sample, at) => {
        const value = values[at][index];
        if (value !== null) {
          const isNext = before && !before.isLast && sample.at - before.at < GAP_MS;
          path += `${isNext ? "L" : "M"}${x(sample.at)} ${y(value)}`;
        }
        before = value === null ? null : sample;
      });
      set(line.path, "d", path);
      const value = values[read]?.[index];
      say(line.value, value == null ? "–" : short(value));
    });
    const marks = moments.map(({ time, like }) =>
      shape("path", { class: `moment ${like}`, d: `M${x(time)} 0V${HEIGHT}` }),
    );
    this.#marks.replaceChildren(...marks);
    this.#point(samples, read, cursor < 0 ? null : x(samples[cursor].at));
  }

  #point(samples, read, x) {
    set(this.#cursor, "d", x === null ? "" : `M${x} 0V${HEIGHT}`);
    const when = samples.length ? moment(samples[read].at) : "nothing yet";
    say(this.#when, x === null ? "" : when);
    set(this.#svg, "aria-valuemin", 0);
    set(this.#svg, "aria-valuemax", Math.max(0, samples.length - 1));
    set(this.#svg, "aria-valuenow", Math.max(0, read));
    const says = this.#lines.map((line) => `${line.name} ${line.value.textContent}`).join(", ");
    set(this.#svg, "aria-valuetext", `${when}: ${says}`);
  }
}

/** The next round figure. */
function ceiling(value) {
  const scale = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 8, 10].find((step) => step * scale >= value) * scale;
}
