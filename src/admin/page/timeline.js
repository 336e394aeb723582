// What happened, the last first: from what the agent remembers, and then as it happens.

import { byId, element, mark, moment, say } from "./dom.js";

const ITEMS_MAX = 200;
/** How many members are told of that were there before. */
const EARLIER_MAX = 20;
/** The same is told by two ways, not at the very same time. */
const SAME_MS = 2000;
const SAY_EVERY_MS = 2000;
const SAY_MAX = 3;

/** What each kind is like. */
const LIKE = {
  alive: "alive",
  joined: "alive",
  refuted: "alive",
  connected: "alive",
  rejoined: "alive",
  recovered: "alive",
  answers: "alive",
  suspect: "suspect",
  blocked: "suspect",
  unresolved: "suspect",
  forgetful: "suspect",
  alone: "down",
  down: "down",
  defunct: "down",
  conflict: "down",
  deaf: "down",
  gone: "down",
  left: "left",
  stopped: "left",
};

export class Timeline {
  /** The last first. */
  #items = [];
  #unsaid = [];
  #list = byId("events");
  #search = byId("search");

  constructor() {
    setInterval(() => this.#speak(), SAY_EVERY_MS);
    this.#search.addEventListener("input", () => this.#match(this.#items));
  }

  /** Something that happens now. */
  hear(event) {
    const item = itemOf(event);
    this.#add(item);
    this.#unsaid.push(item);
  }

  /** Something that is told aloud by others. */
  note(event) {
    this.#add(itemOf(event));
  }

  /** What happened to suspects, as the agent remembers it. */
  remember(accusations) {
    for (const accused of accusations) {
      const { member, by, at, outcome, ended, confirmed, local_health: health } = accused;
      this.#addEarlier(itemOf({ ...member, event: "suspect", by, time: at }, { confirmed, health }));
      // Who was renamed is another, and is there by its new name.
      if (outcome && outcome !== "renamed") {
        this.#addEarlier(itemOf({ ...member, event: outcome, time: ended }));
      }
    }
  }

  /** Members that were there already. */
  introduce(members) {
    const others = members.filter((it) => !it.is_ourselves && it.state === "alive");
    const last = others.sort((a, b) => (a.since < b.since) - (a.since > b.since));
    for (const member of last.slice(0, EARLIER_MAX)) {
      const has = (it) => it.name === member.name && it.generation === member.generation;
      if (this.#items.some((it) => has(it) && LIKE[it.kind] === "alive")) continue;
      this.#addEarlier(itemOf({ ...member, event: "alive", time: member.since }));
    }
  }

  /** When somebody was suspected, or went: for the charts. */
  *moments() {
    for (const { time, kind } of this.#items) {
      const like = LIKE[kind];
      if (like === "suspect" || like === "down" || like === "left") yield { time, like };
    }
  }

  #addEarlier(item) {
    const isSame = (it) =>
      it.kind === item.kind &&
      it.name === item.name &&
      it.generation === item.generation &&
      Math.abs(it.time - item.time) < SAME_MS;
    const same = this.#items.find(isSame);
    if (!same) this.#add(item);
    else if (item.confirmed?.length) same.retell(item);
  }

  #add(item) {
    const index = this.#items.findIndex((it) => it.time <= item.time);
    const place = index < 0 ? this.#items.length : index;
    if (place >= ITEMS_MAX) return;
    this.#list.insertBefore(item.node, this.#items[place]?.node ?? null);
    this.#items.splice(place, 0, item);
    for (const dropped of this.#items.splice(ITEMS_MAX)) dropped.node.remove();
    this.#match([item]);
  }

  /** Who looks for a member finds what happened to it, and nothing else. */
  #match(items) {
    const part = this.#search.value.trim().toLowerCase();
    for (const { node, kind, about } of items) {
      node.hidden = !`${kind} ${about.textContent}`.toLowerCase().includes(part);
    }
    const note = byId("no-events");
    note.hidden = this.#items.some((item) => !item.node.hidden);
    say(note, part ? "Nothing that matches happened of late." : "Nothing happened of late.");
  }

  /** For those who listen: not each of a thousand. */
  #speak() {
    const unsaid = this.#unsaid.splice(0);
    if (!unsaid.length) return;
    const said = unsaid.slice(0, SAY_MAX).map((item) => `${item.kind}: ${item.about.textContent}`);
    if (unsaid.length > SAY_MAX) said.push(`and ${unsaid.length - SAY_MAX} more`);
    say(byId("news"), said.join("; "));
  }
}

function itemOf(event, known = {}) {
  const time = Date.parse(event.time);
  const kind = event.event;
  const about = element("span", { class: "about" });
  const when = element("time", { datetime: event.time }, moment(time));
  const word = element("b", { class: "kind" }, kind);
  const sign = mark(LIKE[kind] ?? "other");
  const node = element("li", { class: LIKE[kind] ?? "other" }, sign, when, word, about);
  const item = { time, kind, name: event.name, generation: event.generation, node, about };
  item.confirmed = known.confirmed;
  item.retell = (other) => about.replaceChildren(...other.about.cloneNode(true).childNodes);
  about.append(...sentence(event, known));
  return item;
}

/** What there is to say of it, in order. */
function sentence(event, { confirmed = [], health = 0 }) {
  const { name, by, before, addr, detail } = event;
  const parts = [];
  if (name) parts.push(element("b", {}, name));
  if (name && !before && event.event !== "suspect" && !by) parts.push(` at ${addr}`);
  if (before) {
    parts.push(before.addr === addr ? " restarted" : ` moved from ${before.addr} to ${addr}`);
  }
  if (event.event === "suspect") parts.push(` accused by ${by ? by.name : "somebody"}`);
  if (confirmed.length) {
    parts.push(`, confirmed by ${confirmed.map((it) => it.by.name).join(", ")}`);
  }
  if (health) parts.push(`; our local health was ${health} of 8`);
  if (detail) parts.push(`${parts.length ? ": " : ""}${detail}`);
  return parts;
}
