// Asks the agent, again and again, and hands what it says to those who show it.

import * as agent from "./agent.js";
import { Charts } from "./charts.js";
import { byId, day, moment, say, set, span } from "./dom.js";
import { Drawing } from "./drawing.js";
import { Table } from "./table.js";
import { Timeline } from "./timeline.js";

const TURN_MS = 1000;
/** While nobody looks. */
const HIDDEN_TURN_MS = 15_000;
const HIDDEN_STREAM_MS = 60_000;
const RETRY_MAX_MS = 5000;
const INFO_EVERY = 10;
/** What is told within that after asking for events was so before. */
const INTRODUCTION_MS = 1000;
/** Where reading thousands of members takes long, they are asked for less often. */
const SHARE_MAX = 10;
/** A stream that ends sooner is none. */
const UNTOLD_MS = 500;
const LEARN_MS = 1500;
/** How suspicions end. */
const ENDS = ["down", "refuted", "left"];

const table = new Table();
const drawing = new Drawing();
const timeline = new Timeline();
const charts = new Charts(() => timeline.moments());

let states = { alive: 0, suspect: 0, down: 0, left: 0 };
let members = [];
let info = null;
let turns = 0;
let lastAnswer = null;
let learning = null;
/** Ends a pause early. */
let hurry = () => {};
/** Once the agent answered. */
let hasAnswered = () => {};
const answered = new Promise((resolve) => (hasAnswered = resolve));

async function turn() {
  if (!info || turns % INFO_EVERY === 0) tellInfo(await agent.ask("/v1/info"));
  turns += 1;
  const probing = await agent.askIfTold("/v1/probing");
  const stats = await agent.ask("/v1/stats");
  const began = performance.now();
  const changed = await agent.members();
  if (changed) takeMembers(changed);
  drawing.probes(probing, stats);
  charts.take(states, stats, agent.now());
  table.age();
  tellHealth(stats.local_health);
  say(byId("uptime"), span(agent.now() - Date.parse(info.since)));
  return performance.now() - began;
}

function takeMembers(list) {
  members = list;
  states = { alive: 0, suspect: 0, down: 0, left: 0 };
  for (const { state } of list) states[state] = (states[state] ?? 0) + 1;
  table.take(list);
  drawing.take(list);
}

function tellInfo(told) {
  // Its page is another, too.
  if (info && info.version !== told.version) location.reload();
  if (info && info.since !== told.since) charts.interrupt();
  info = told;
  const cluster = info.facts.cluster ?? "";
  document.title = `${info.name} · ${cluster || "selkie"}`;
  say(byId("name"), info.name);
  say(byId("cluster"), cluster);
  say(byId("status"), info.status);
  set(byId("status"), "class", info.status === "running" ? "good" : "bad");
  say(byId("address"), info.addr);
  say(byId("version"), `selkie ${info.version}`);
  const expires = Date.parse(info.certificate_expires ?? "");
  byId("expiry-fact").hidden = Number.isNaN(expires);
  if (!Number.isNaN(expires)) {
    const left = expires - agent.now();
    say(byId("expiry"), left < 0 ? `${day(expires)}, expired` : `${day(expires)}, in ${span(left)}`);
    set(byId("expiry"), "class", left < 7 * 86_400_000 ? "bad" : "");
  }
}

function tellHealth(score) {
  const word = score === 0 ? "healthy" : score < 4 ? "slow" : "very slow";
  say(byId("health"), `${score} of 8, ${word}`);
  set(byId("health"), "class", score === 0 ? "good" : score < 4 ? "doubtful" : "bad");
}

/** Says whether the agent is there; aloud, when that changes. */
function tellLink(isThere) {
  const gone = byId("gone");
  const before = document.body.dataset.link;
  if (before === (isThere ? "live" : "gone")) return;
  document.body.dataset.link = isThere ? "live" : "gone";
  if (before) {
    const [event, detail] = isThere
      ? ["answers", "the agent answers again"]
      : ["gone", "the agent does not answer"];
    timeline.note({ event, detail, time: new Date(agent.now()).toISOString() });
  }
  say(byId("link-text"), isThere ? "Live" : "Agent gone");
  gone.hidden = isThere;
  const last = lastAnswer ? ` since ${moment(lastAnswer)}` : "";
  say(
    gone,
    isThere ? "" : `The agent does not answer${last}. What you see is how it was; it is asked again and again.`,
  );
}

function pause(ms) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    hurry = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

async function ask() {
  let failures = 0;
  for (;;) {
    let wait = TURN_MS;
    try {
      const took = await turn();
      failures = 0;
      lastAnswer = Date.now();
      hasAnswered();
      tellLink(true);
      wait = Math.max(TURN_MS, took * SHARE_MAX);
    } catch (error) {
      failures += 1;
      // The next answer may be another process's.
      turns = 0;
      charts.interrupt();
      if (failures > 1) tellLink(false);
      wait = Math.min(RETRY_MAX_MS, 500 * failures);
    }
    if (document.hidden) wait = Math.max(wait, HIDDEN_TURN_MS);
    await pause(wait);
  }
}

/** Hands on what happens; what is told at first was so before, and is told as such. */
async function follow(signal) {
  let isNew = false;
  const earlier = async () => {
    if (isNew) return;
    isNew = true;
    const accusations = await agent.askIfTold("/v1/why");
    timeline.remember(accusations ?? []);
    timeline.introduce(members);
  };
  const introduced = setTimeout(() => earlier().catch(() => {}), INTRODUCTION_MS);
  try {
    for await (const event of agent.events(signal)) {
      if (isNew) {
        timeline.hear(event);
        hurry();
        if (ENDS.includes(event.event)) learnWhy();
      } else if (event.event === "connected") {
        await earlier();
      }
    }
  } finally {
    clearTimeout(introduced);
  }
}

/** Who confirmed a suspicion is known when it is over. Once for many. */
function learnWhy() {
  clearTimeout(learning);
  learning = setTimeout(async () => {
    try {
      timeline.remember((await agent.askIfTold("/v1/why")) ?? []);
    } catch {
      // It is told when the agent is back.
    }
  }, LEARN_MS);
}

async function listen() {
  // What was there before is known by then.
  await answered;
  for (;;) {
    const stop = new AbortController();
    let hidden = null;
    // A page that nobody looks at holds no connection: a browser has but six.
    const look = () => {
      clearTimeout(hidden);
      if (document.hidden) hidden = setTimeout(() => stop.abort(), HIDDEN_STREAM_MS);
    };
    document.addEventListener("visibilitychange", look);
    look();
    const began = performance.now();
    byId("untold").hidden = true;
    try {
      await follow(stop.signal);
      byId("untold").hidden = performance.now() - began > UNTOLD_MS;
    } catch {
      // It is asked again below, and `ask` says whether the agent is there.
    }
    document.removeEventListener("visibilitychange", look);
    clearTimeout(hidden);
    const isBrief = performance.now() - began < RETRY_MAX_MS;
    await new Promise((resolve) => setTimeout(resolve, isBrief ? 2000 : 200));
    while (document.hidden) {
      await new Promise((resolve) =>
        document.addEventListener("visibilitychange", resolve, { once: true }),
      );
    }
  }
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) hurry();
});
ask();
listen();
