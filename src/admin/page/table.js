// The members, worst first; so many at a time that thousands are no burden.

import { byId, clip, count, element, mark, moment, say, set, span } from "./dom.js";
import { now } from "./agent.js";

const ROWS_FIRST = 25;
const ROWS_STEP = 100;
const METADATA_MAX = 160;
const STATES = ["suspect", "down", "left", "alive"];

const collator = new Intl.Collator("en", { numeric: true });
const by = (key) => (a, b) => collator.compare(a[key], b[key]);
const ORDERS = {
  name: by("name"),
  state: (a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state),
  since: (a, b) => (a.since < b.since) - (a.since > b.since),
  address: by("addr"),
  incarnation: (a, b) => (b.incarnation ?? -1) - (a.incarnation ?? -1),
};

export class Table {
  #rows = new Map();
  #list = [];
  #most = ROWS_FIRST;
  #sort = "state";
  #isReversed = false;
  #body = byId("rows");
  #filter = byId("filter");
  #search = byId("search");

  constructor() {
    this.#filter.addEventListener("input", () => this.#begin());
    this.#filter.addEventListener("submit", (event) => event.preventDefault());
    byId("more").addEventListener("click", () => this.#showMore());
    for (const head of document.querySelectorAll("th[data-sort]")) {
      head.querySelector("button").addEventListener("click", () => this.#sortBy(head));
    }
  }

  /** The members as they are now. */
  take(list) {
    this.#list = list;
    for (const state of STATES) {
      const of = list.filter((member) => member.state === state).length;
      say(this.#filter.querySelector(`[data-count=${state}]`), count(of));
    }
    this.draw();
  }

  draw() {
    const chosen = this.#chosen();
    const shown = chosen.slice(0, this.#most);
    const kept = new Set(shown.map((member) => member.name));
    for (const [name, row] of this.#rows) {
      if (!kept.has(name)) {
        row.node.remove();
        this.#rows.delete(name);
      }
    }
    let place = this.#body.firstChild;
    for (const member of shown) {
      const row = this.#rows.get(member.name) ?? this.#newRow(member);
      row.update(member);
      if (row.node === place) place = place.nextSibling;
      else this.#body.insertBefore(row.node, place);
    }
    this.#tell(shown.length, chosen.length);
  }

  /** Lets the ages grow. */
  age() {
    for (const row of this.#rows.values()) row.age();
  }

  #newRow(member) {
    const row = new Row();
    this.#rows.set(member.name, row);
    return row;
  }

  #chosen() {
    const boxes = [...this.#filter.querySelectorAll("input[type=checkbox]")];
    const states = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const part = this.#search.value.trim().toLowerCase();
    const says = (text) => text?.toLowerCase().includes(part);
    const chosen = this.#list.filter(
      (it) =>
        (states.has(it.state) || !STATES.includes(it.state)) &&
        (!part || says(it.name) || says(it.addr) || says(it.metadata?.text)),
    );
    const order = ORDERS[this.#sort];
    const sign = this.#isReversed ? -1 : 1;
    return chosen.sort((a, b) => sign * order(a, b) || ORDERS.name(a, b));
  }

  #tell(shown, chosen) {
    const [part, whole, all] = [shown, chosen, this.#list.length].map(count);
    const isWhole = chosen === this.#list.length;
    const members = this.#list.length === 1 ? "member" : "members";
    if (shown < chosen) {
      const which = isWhole ? whole : `${whole} that match, of ${all}`;
      say(byId("shown"), `${part} of ${which} ${members}`);
    } else {
      say(byId("shown"), isWhole ? `${all} ${members}` : `${whole} of ${all} ${members} match`);
    }
    const more = byId("more");
    more.hidden = shown >= chosen;
    say(more, `Show ${count(Math.min(ROWS_STEP, chosen - shown))} more`);
  }

  #begin() {
    this.#most = ROWS_FIRST;
    this.draw();
  }

  #showMore() {
    const last = this.#body.lastElementChild;
    this.#most += ROWS_STEP;
    this.draw();
    // The button may be gone: whoever came by keyboard goes on where the new rows begin.
    if (byId("more").hidden) {
      last.nextElementSibling.setAttribute("tabindex", "-1");
      last.nextElementSibling.focus();
    }
  }

  #sortBy(head) {
    const key = head.dataset.sort;
    this.#isReversed = key === this.#sort && !this.#isReversed;
    this.#sort = key;
    for (const other of document.querySelectorAll("th[aria-sort]")) {
      other.removeAttribute("aria-sort");
    }
    head.setAttribute("aria-sort", this.#isReversed ? "descending" : "ascending");
    this.draw();
  }
}

class Row {
  #member = null;
  #name = element("b");
  #state = element("span");
  #since = element("time");
  #cells = {
    name: element("th", { role: "rowheader", scope: "row", class: "name" }, this.#name),
    state: cell("state", "State"),
    since: cell("since", "Since"),
    address: cell("address", "Address"),
    incarnation: cell("incarnation", "Incarnation"),
    metadata: cell("metadata", "Metadata"),
  };
  node = element("tr", { role: "row" }, ...Object.values(this.#cells));

  constructor() {
    this.#cells.since.append(this.#since);
  }

  update(member) {
    if (this.#member === member) return;
    const before = this.#member;
    this.#member = member;
    say(this.#name, member.name);
    if (!before && member.is_ourselves) {
      this.#cells.name.append(" ", element("span", { class: "badge" }, "this one"));
    }
    if (before?.state !== member.state) {
      say(this.#state, member.state);
      this.#cells.state.replaceChildren(mark(member.state), " ", this.#state);
      this.node.className = member.state;
    }
    set(this.#since, "datetime", member.since);
    set(this.#since, "title", moment(Date.parse(member.since)));
    say(this.#cells.address, member.addr);
    say(this.#cells.incarnation, String(member.incarnation ?? "–"));
    say(this.#cells.metadata, described(member.metadata));
    this.#cells.metadata.classList.toggle("empty", !member.metadata);
    this.age();
  }

  age() {
    say(this.#since, span(now() - Date.parse(this.#member.since)));
  }
}

function cell(name, label) {
  return element("td", { role: "cell", class: name, "data-label": label });
}

function described(metadata) {
  if (!metadata) return "–";
  if (metadata.text === null) return `${count(metadata.len)} bytes, not text`;
  const clipped = clip(metadata.text, METADATA_MAX);
  return clipped === metadata.text ? clipped : `${clipped} (${count(metadata.len)} bytes)`;
}
