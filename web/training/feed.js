// Feed: the page's one state of all runs: it hears the server, asks it, and tells whoever shows something.

import { next, START } from "./state.js";

const ROUTE = "/zimage_lora/runs";
const READ_GAP_MS = 1500; // at least so long between two readings of the same
const AGAIN_MS = 5000;

/** `host` is what extension.js knows of ComfyUI. Nothing is asked before `start`. */
export function makeFeed(host) {
  let state = START;
  let isListing = false;
  let isStarted = false;
  const readAt = new Map(); // id, or "" for the list -> when it was asked for last
  const listeners = new Set();

  function dispatch(event) {
    const old = state;
    state = next(state, event);
    if (state === old) return;
    for (const listener of listeners) listener();
    if (isStarted) work();
  }

  /** Ask the server for what the state wants, each at its pace. */
  function work() {
    if (state.toList && !isListing && isDue("", work)) list();
    for (const id of state.toRead) if (!(id in state.reading) && isDue(id, work)) read(id);
  }

  const timers = new Set();

  function isDue(key, later) {
    const wait = (readAt.get(key) ?? -Infinity) + READ_GAP_MS - performance.now();
    if (wait <= 0) {
      readAt.set(key, performance.now());
      return true;
    }
    if (!timers.has(key)) {
      timers.add(key);
      setTimeout(() => {
        timers.delete(key);
        later();
      }, wait + 1);
    }
    return false;
  }

  async function list() {
    isListing = true;
    const { answer } = await get(ROUTE);
    isListing = false;
    dispatch(answer ? { type: "listed", runs: answer.runs } : { type: "unlisted" });
    if (!answer) setTimeout(() => dispatch({ type: "returned" }), AGAIN_MS);
  }

  async function read(id) {
    dispatch({ type: "reading", id });
    const { answer, error } = await get(`${ROUTE}/${id}`);
    const now_s = Date.now() / 1000;
    dispatch(answer ? { type: "read", id, answer, now_s } : { type: "unread", id, text: error });
  }

  /** { answer } or { error }: a sentence for the user. */
  async function get(route, options) {
    try {
      const response = await host.fetchApi(route, { cache: "no-store", ...options });
      const answer = await response.json().catch(() => null);
      if (response.ok) return { answer: answer ?? {} };
      return { error: answer?.error ?? host.say("training_no_answer", { status: response.status }) };
    } catch {
      return { error: host.say("training_no_server") };
    }
  }

  return {
    state: () => state,
    dispatch,
    start() {
      if (isStarted) return;
      isStarted = true;
      work();
    },
    /** An event from the server. */
    hear: (event) => dispatch({ type: "told", event, now_s: Date.now() / 1000 }),
    /** Ask something of a run: "save", "finish" or "cancel". */
    async ask(id, what) {
      const promptId = state.runs[id]?.live?.prompt_id;
      dispatch({ type: "asked", id, what });
      const { error } = what === "cancel"
        ? await get("/interrupt", { method: "POST", body: JSON.stringify({ prompt_id: promptId }), headers: { "Content-Type": "application/json" } })
        : await get(`${ROUTE}/${id}/${what}`, { method: "POST" });
      dispatch({ type: "answered", id, what, error });
    },
    /** Call `listener` after every change; returns how to stop that. */
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
