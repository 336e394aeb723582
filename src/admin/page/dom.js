// Elements, and how figures are written. Text goes in as text only, whoever wrote it.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function shape(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** The sign of a state: as much a shape as a colour. */
export function mark(state) {
  const use = shape("use", { href: `#mark-${state}` });
  return shape("svg", { class: `mark ${state}`, "aria-hidden": "true" }, use);
}

/** Writes a text where it is not there yet: what did not change is not drawn again. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function set(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function clip(text, most) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
}

/** As much of a name as there is room for: its beginning and its end tell it from others. */
export function squeeze(name, most) {
  if (name.length <= most) return name;
  const end = Math.ceil(most / 2);
  return `${name.slice(0, most - end - 1)}…${name.slice(-end)}`;
}

const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
];

/** How long something takes, in one unit: it is read at a glance. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const unit = UNITS.find(([length]) => seconds >= length);
  return unit ? `${Math.floor(seconds / unit[0])} ${unit[1]}` : `${seconds} s`;
}

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hour12: false });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** A point in time, with its day if that is not today. */
export function moment(ms) {
  const at = new Date(ms);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday ? TIME.format(at) : `${DATE.format(at)} ${TIME.format(at)}`;
}

export const day = (ms) => DATE.format(new Date(ms));

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (number) => NUMBER.format(number);

/** A figure in three digits or so, as in 0.4, 12 or 3.4 k. */
export function short(number) {
  const [scaled, suffix] =
    number >= 1e6 ? [number / 1e6, " M"] : number >= 1e4 ? [number / 1e3, " k"] : [number, ""];
  return (scaled < 10 && scaled % 1 ? scaled.toFixed(1) : NUMBER.format(scaled)) + suffix;
}
