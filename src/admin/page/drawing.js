// Members in a ring around this one, and who probes whom, as this one knows it.

import { byId, count, say, set, shape, squeeze } from "./dom.js";

const CENTRE = { x: 200, y: 165 };
const RADIUS = 112;
/** With more than that, labels stand outwards, and take less of the ring. */
const CROWD = 18;
const CROWD_RADIUS = 86;
/** More would not be told apart. */
const DRAWN_MAX = 60;
const LABEL_MAX = 12;
const CROWD_LABEL_MAX = 11;
/** How long an arrow is seen. */
const TRACE_MS = 6000;
const TRACES_MAX = 8;
const GRAVITY = { suspect: 0, down: 1, left: 2, alive: 3 };

const collator = new Intl.Collator("en", { numeric: true });

export class Drawing {
  #svg = byId("ring");
  #orbit = shape("circle", { class: "orbit", cx: CENTRE.x, cy: CENTRE.y });
  #arrows = shape("g", { class: "arrows" });
  #dots = shape("g");
  /** By name: where, and what is drawn there. */
  #places = new Map();
  #slots = [];
  #members = [];
  #ourselves = null;
  /** Arrows, the last first. */
  #traces = [];
  #probing = null;
  #counted = null;

  constructor() {
    this.#svg.append(this.#orbit, this.#arrows, this.#dots);
  }

  /** The members as they are now. */
  take(list) {
    this.#ourselves = list.find((member) => member.is_ourselves);
    this.#members = list.filter((member) => !member.is_ourselves);
    this.#settle();
    this.#tell();
  }

  /** Who probes whom, and how many probes there were so far. */
  probes(probing, stats) {
    const isNew = (name) => this.#counted && stats[name] !== this.#counted[name];
    const at = performance.now();
    if (probing?.target) {
      const [first] = this.#traces.filter((it) => it.way === "out");
      const name = probing.target.name;
      if (!first || first.name !== name || isNew("probes")) this.#trace("out", name, at);
      Object.assign(this.#traces.find((it) => it.way === "out"), {
        isAnswered: probing.is_answered,
        helpers: probing.helpers.map((helper) => helper.name),
        at,
      });
    }
    if (probing?.pinged_by && (isNew("pings_heard") || !this.#counted)) {
      this.#trace("in", probing.pinged_by.name, at);
    }
    this.#counted = stats;
    this.#probing = probing;
    if (this.#members.length > CROWD) this.#settle();
    this.#point(at);
    this.#tell();
  }

  #trace(way, name, at) {
    this.#traces.unshift({ way, name, at, helpers: [], isAnswered: true });
    this.#traces.length = Math.min(this.#traces.length, TRACES_MAX);
  }

  /** Gives everybody who is drawn a place, and lets it keep that. */
  #settle() {
    const drawn = this.#drawn();
    const names = new Set(drawn.map((member) => member.name));
    for (const [name, place] of this.#places) {
      if (!names.has(name)) {
        place.node.remove();
        this.#places.delete(name);
      }
    }
    const isWhole = this.#members.length <= DRAWN_MAX;
    if (isWhole) {
      drawn.sort((a, b) => collator.compare(a.name, b.name));
      this.#slots = drawn.map((member) => member.name);
    } else {
      this.#slots = Array.from({ length: DRAWN_MAX }, (_, slot) => {
        const name = this.#slots[slot];
        return names.has(name) ? name : undefined;
      });
      const placed = new Set(this.#slots);
      for (const name of names) {
        if (!placed.has(name)) this.#slots[this.#slots.indexOf(undefined)] = name;
      }
    }
    set(this.#orbit, "r", this.#radius);
    const traced = this.#traced();
    const slotOf = new Map(this.#slots.map((name, slot) => [name, slot]));
    for (const member of drawn) {
      const isTraced = traced.has(member.name);
      this.#put(member, slotOf.get(member.name), isTraced);
    }
    this.#putOurselves();
  }

  /** Everybody, or those with something the matter and those that were probed of late. */
  #drawn() {
    if (this.#members.length <= DRAWN_MAX) return [...this.#members];
    const traced = this.#traced();
    const weight = (member) =>
      (traced.has(member.name) ? -2 : 0) +
      GRAVITY[member.state] +
      (this.#places.has(member.name) ? 0 : 0.5);
    const weighed = this.#members.map((member) => [weight(member), member]);
    weighed.sort((a, b) => a[0] - b[0]);
    return weighed.slice(0, DRAWN_MAX).map(([, member]) => member);
  }

  /** Those that arrows lead to, or come from. */
  #traced() {
    return new Set(this.#traces.flatMap((it) => [it.name, ...it.helpers]));
  }

  get #isCrowd() {
    return this.#slots.length > CROWD;
  }

  get #radius() {
    return this.#isCrowd ? CROWD_RADIUS : RADIUS;
  }

  #put(member, slot, isTraced) {
    let place = this.#places.get(member.name);
    if (!place) {
      place = newPlace(member.name);
      this.#places.set(member.name, place);
      this.#dots.append(place.node);
    }
    // From the top; but two are side by side, and not where our own name is.
    const top = this.#slots.length === 2 ? Math.PI : -Math.PI / 2;
    const angle = (slot / this.#slots.length) * 2 * Math.PI + top;
    place.x = CENTRE.x + this.#radius * Math.cos(angle);
    place.y = CENTRE.y + this.#radius * Math.sin(angle);
    set(place.node, "transform", `translate(${place.x.toFixed(1)} ${place.y.toFixed(1)})`);
    set(place.node, "class", `dot ${member.state}`);
    set(place.use, "href", `#mark-${member.state}`);
    const size = this.#slots.length > 30 ? 10 : 16;
    for (const side of ["width", "height"]) set(place.use, side, size);
    for (const side of ["x", "y"]) set(place.use, side, -size / 2);
    // In a crowd only those that matter now have a name.
    const isNamed = !this.#isCrowd || isTraced || member.state !== "alive";
    label(place.label, isNamed ? member.name : "", angle, this.#isCrowd);
    say(place.title, `${member.name}: ${member.state}`);
  }

  #putOurselves() {
    if (!this.#ourselves) return;
    const { name, state } = this.#ourselves;
    let place = this.#places.get(name);
    if (!place) {
      place = newPlace(name);
      this.#places.set(name, place);
      this.#dots.append(place.node);
      set(place.node, "transform", `translate(${CENTRE.x} ${CENTRE.y})`);
      for (const side of ["width", "height"]) set(place.use, side, 26);
      for (const side of ["x", "y"]) set(place.use, side, -13);
      Object.assign(place, CENTRE);
    }
    set(place.node, "class", `dot ourselves ${state}`);
    set(place.use, "href", `#mark-${state}`);
    set(place.label, "y", 28);
    set(place.label, "text-anchor", "middle");
    say(place.label, squeeze(name, LABEL_MAX));
    say(place.title, `${name}: this one, ${state}`);
  }

  #point(at) {
    this.#traces = this.#traces.filter((it) => at - it.at < TRACE_MS);
    const arrows = [];
    for (const trace of this.#traces) {
      const other = this.#places.get(trace.name);
      if (!other) continue;
      const opacity = Math.max(0.12, 1 - (at - trace.at) / TRACE_MS).toFixed(2);
      const isOut = trace.way === "out";
      const kind = isOut ? (trace.isAnswered ? "out" : "out waits") : "in";
      const [from, to] = isOut ? [CENTRE, other] : [other, CENTRE];
      arrows.push(arrow(from, to, kind, opacity));
      for (const name of trace.helpers) {
        const helper = this.#places.get(name);
        if (!helper) continue;
        arrows.push(arrow(CENTRE, helper, "out asks", opacity));
        arrows.push(arrow(helper, other, "out asks", opacity));
      }
    }
    // The oldest lies lowest.
    this.#arrows.replaceChildren(...arrows.reverse());
  }

  #tell() {
    const { target, is_answered, helpers = [], pinged_by } = this.#probing ?? {};
    const asked = helpers.map((helper) => helper.name).join(", ");
    const answer = is_answered ? "which answered" : asked ? "which has not answered" : "just now";
    const says = target
      ? `It probes ${target.name}, ${answer}${asked ? `; asked to try for it: ${asked}` : ""}.`
      : "It probes nobody at present.";
    const pinged = pinged_by ? ` The last to probe it was ${pinged_by.name}.` : "";
    say(byId("ring-says"), says + pinged);
    const omitted = this.#members.length - DRAWN_MAX;
    const omits = byId("ring-omits");
    omits.hidden = omitted <= 0;
    const whole = count(this.#members.length);
    say(
      omits,
      omits.hidden
        ? ""
        : `Drawn are ${DRAWN_MAX} of ${whole} others: those with something the matter, ` +
            `and those probed of late. ${count(omitted)} are left out; the table has them all.`,
    );
  }
}

function newPlace(name) {
  const use = shape("use", {});
  const text = shape("text", {});
  const title = shape("title");
  return { node: shape("g", {}, title, use, text), use, label: text, title, name };
}

function label(text, name, angle, isRadial) {
  const [x, y] = [Math.cos(angle), Math.sin(angle)];
  if (isRadial) {
    const isLeft = x < -0.001;
    const degrees = (angle * 180) / Math.PI + (isLeft ? 180 : 0);
    set(text, "transform", `rotate(${degrees.toFixed(1)})`);
    set(text, "text-anchor", isLeft ? "end" : "start");
    set(text, "x", isLeft ? -10 : 10);
    set(text, "y", 4);
    set(text, "class", "small");
  } else {
    text.removeAttribute("transform");
    text.removeAttribute("class");
    set(text, "text-anchor", x > 0.25 ? "start" : x < -0.25 ? "end" : "middle");
    set(text, "x", (x * 14).toFixed(1));
    set(text, "y", (y * 18 + 4).toFixed(1));
  }
  say(text, squeeze(name, isRadial ? CROWD_LABEL_MAX : LABEL_MAX));
}

/** From near one place to near another, a little to the left, so that two ways are two arrows. */
function arrow(from, to, kind, opacity) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const at = (along, aside) =>
    `${(from.x + ux * along + uy * aside).toFixed(1)} ${(from.y + uy * along - ux * aside).toFixed(1)}`;
  const [start, end, aside] = [18, length - 15, 4];
  const line = `M${at(start, aside)} L${at(end, aside)}`;
  const head = `M${at(end - 7, aside + 4.5)} L${at(end, aside)} L${at(end - 7, aside - 4.5)}`;
  return shape(
    "g",
    { class: `arrow ${kind}`, opacity },
    shape("path", { class: "line", d: line }),
    shape("path", { d: head }),
  );
}
