// What the agent is asked, and what it answers.

const PATIENCE_MS = 10_000;
const LINE_MAX = 1 << 20;

/** The agent is there, but does not answer this. */
export class Refused extends Error {}

/** How far our clock is behind the agent's. */
let behindMs = 0;

/** What time it is to the agent: all that it tells is stamped by its clock. */
export const now = () => Date.now() + behindMs;

async function request(path, headers = {}) {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(path, { headers, signal, cache: "no-store" });
  if (!answer.ok && answer.status !== 304) throw new Refused(`${path}: ${answer.status}`);
  // It comes in whole seconds.
  const date = Date.parse(answer.headers.get("date"));
  const differs = date - Date.now();
  if (Math.abs(differs - behindMs) > 3000) behindMs = Math.abs(differs) > 3000 ? differs : 0;
  return answer;
}

export async function ask(path) {
  return (await request(path)).json();
}

/** As `ask`; nothing, if the agent refuses. */
export async function askIfTold(path) {
  try {
    return await ask(path);
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

let edition = null;

/** The members; nothing, if they are as they were when asked last. */
export async function members() {
  const answer = await request("/v1/members", edition ? { "If-None-Match": edition } : {});
  if (answer.status === 304) return null;
  const list = await answer.json();
  edition = answer.headers.get("etag");
  return list;
}

/** What happens, as it happens, for as long as the agent tells it. */
export async function* events(signal) {
  const answer = await fetch("/v1/events", { signal, cache: "no-store" });
  if (!answer.ok) throw new Refused(`/v1/events: ${answer.status}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    if (rest.length > LINE_MAX) throw new Refused("a line without end");
    for (const line of lines) if (line) yield JSON.parse(line);
  }
}
