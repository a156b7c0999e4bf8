// State: what a page knows of all runs, from the server's answers and its events. Pure: `(state, event) -> state`.
//
// Events are those that the server tells (`told`) and the page's own: a list or a run that is being read, has been
// read or could not be, and what the user has asked of a run. What is told while a run is being read is told again on
// top of the answer, so that nothing is lost between the two and nothing counts twice.

import { append, before, lastStep, NO_POINTS, pointsOf } from "./points.js";

const MAX_RUNS = 24; // whole runs kept; a page shows few, and the list needs none
const MAX_PREVIEWS = 300;

/** Nothing known yet. `list` is null until it has been read; `toRead` are the runs to ask the server for. */
export const START = Object.freeze({ list: null, toList: true, runs: {}, toRead: [], reading: {}, unread: {}, nodes: {} });

export const REQUESTS = ["save", "finish", "cancel"];
const ENDS = { Stopped: "stopped", Finished: "finished", Failed: "failed", Interrupted: "interrupted" };
const IN_PROGRESS = ["DiskPlanned", "Preparing", "MemoryPlanned", "MemoryTold", "Started", "StepsDone", "Validated",
  "CheckpointSaved", "PreviewDrawn", "Warned"];

export function next(state, event) {
  return HANDLERS[event.type](state, event);
}

const HANDLERS = {
  listed: (state, { runs }) => {
    const live = runs.filter((run) => run.live);
    const nodes = { ...state.nodes };
    for (const { id, live: { node, workflow } } of live) nodes[placeOf(node, workflow)] = id;
    const news = live.filter(({ id }) => !state.runs[id]?.live).map(({ id }) => id);
    return asking({ ...state, list: runs.map(({ live: _, ...summary }) => summary), toList: false, nodes }, ...news);
  },
  unlisted: (state) => ({ ...state, toList: false }),
  /** The connection was lost and is back: whatever has changed meanwhile was not told. */
  returned: (state) => {
    const shown = Object.keys(state.runs).filter((id) => state.runs[id].live);
    return asking({ ...state, toList: true }, ...shown);
  },
  wanted: (state, { id }) => (state.runs[id] || state.unread[id] ? state : asking(state, id)),
  again: (state, { id }) => asking({ ...state, unread: without(state.unread, id) }, id),
  reading: (state, { id }) => ({
    ...state, toRead: state.toRead.filter((other) => other !== id), reading: { ...state.reading, [id]: [] },
  }),
  read: (state, { id, answer, now_s }) => {
    const missed = state.reading[id] ?? [];
    const run = missed.reduce((now, told) => happened(now, told, now_s), runOf(answer, now_s, state.runs[id]));
    const runs = bounded({ ...without(state.runs, id), [id]: { ...run, isBehind: false } });
    const read = { ...state, runs, reading: without(state.reading, id), unread: without(state.unread, id) };
    return missed.some(({ event }) => ENDS[event]) ? asking(read, id) : read;
  },
  unread: (state, { id, text }) => ({
    ...state, reading: without(state.reading, id), unread: { ...state.unread, [id]: text },
  }),
  told,
  asked: (state, { id, what }) => withRequest(state, id, what, { tag: "asked" }),
  answered: (state, { id, what, error }) => (error ? withRequest(state, id, what, { tag: "refused", text: error }) : state),
};

/** What the server has told. Names that we do not know are not for us. */
function told(state, { event, now_s }) {
  const { run: id, event: name, node, workflow } = event;
  if (!IN_PROGRESS.includes(name) && !ENDS[name]) return state;
  const place = placeOf(node, workflow);
  const nodes = state.nodes[place] === id ? state.nodes : { ...state.nodes, [place]: id };
  const reading = state.reading[id] ? { ...state.reading, [id]: [...state.reading[id], event] } : state.reading;
  const run = state.runs[id] && happened(state.runs[id], event, now_s);
  const isListed = state.list?.some((summary) => summary.id === id);
  const after = {
    ...state, nodes, reading, toList: state.toList || !isListed,
    list: isListed ? state.list.map((summary) => (summary.id === id ? summaryAfter(summary, event) : summary)) : state.list,
    runs: run ? { ...state.runs, [id]: run } : state.runs,
  };
  if (state.reading[id]) return after; // it is told again on top of the answer
  const isToRead = !run || run.isBehind || Boolean(ENDS[name]) || !run.live;
  return isToRead ? asking(after, id) : after;
}

/** A run as the server answers, with what the page had asked of it. */
function runOf(answer, now_s, known) {
  const { run, live, curve, model, run_name: runName, earlier_settings: earlier, ...others } = answer;
  return {
    summary: run, live: live && { ...live, endsAt_s: endOf(live, now_s) }, points: pointsOf(curve), model, runName, earlier,
    phases: others.phases, validations: others.validations, overfittingSince: others.overfitting_since,
    checkpoints: others.checkpoints, recommended: others.recommended, previews: others.previews.slice(-MAX_PREVIEWS),
    warnings: others.warnings, plan: others.plan, peakBytes: others.peak_bytes, error: others.error, settings: others.settings,
    requests: live ? known?.requests ?? {} : endedRequests(known?.requests, run.state), isBehind: false,
  };
}

/** The run after an event of its own. */
function happened(run, event, now_s) {
  const summary = summaryAfter(run.summary, event);
  const after = summary === run.summary ? run : { ...run, summary };
  if (ENDS[event.event]) {
    const error = event.event === "Failed" ? event.message : run.error;
    const requests = endedRequests(run.requests, ENDS[event.event]);
    return { ...after, ...judged(event), error, live: null, requests };
  }
  return EVENTS[event.event]?.(after, event, now_s) ?? after;
}

const EVENTS = {
  Preparing: (run, { stage, done, total, text }) => withLive(run, { stage, done, total, text, ...NO_PACE }),
  Started: (run, { first_step: first, total_steps: total, phases, text }) => withLive({
    ...run, phases, points: before(run.points, first), validations: run.validations.filter(({ step }) => step < first), error: null,
  }, { stage: "train", done: first - 1, total, text, ...NO_PACE }),
  StepsDone: (run, event, now_s) => {
    const { steps, losses, learning_rates: rates, total_steps: total, text } = event;
    const points = append(run.points, steps, losses, rates);
    if (points === run.points) return run; // a late one
    const pace = {
      seconds_per_step: event.seconds_per_step, seconds_left: event.seconds_left, used_bytes: event.used_bytes,
      peak_bytes: event.peak_bytes, endsAt_s: endOf(event, now_s),
    };
    const isBehind = run.isBehind || steps[0] > lastStep(run.points) + 1;
    const peakBytes = event.peak_bytes ?? run.peakBytes;
    return withLive({ ...run, points, isBehind, peakBytes }, { stage: "train", done: lastStep(points), total, text, ...pace });
  },
  Validated: (run, event) => {
    const { step, at, loss, num_photos, before_step, change, margin, seconds } = event;
    const others = run.validations.filter((validation) => validation.step < step);
    return { ...run, validations: [...others, { step, at, loss, num_photos, before_step, change, margin, seconds }] };
  },
  CheckpointSaved: (run, event) => {
    const isAsked = run.requests.save?.tag === "asked";
    const requests = isAsked ? { ...run.requests, save: { tag: "done", step: event.step } } : run.requests;
    return { ...run, ...judged(event), requests };
  },
  PreviewDrawn: (run, { step, prompt, picture }) => {
    const others = run.previews.filter((preview) => preview.picture.filename !== picture.filename);
    return { ...run, previews: [...others, { step, prompt, picture }].slice(-MAX_PREVIEWS) };
  },
  Warned: (run, { step, at, message }) => {
    const isKnown = run.warnings.some((warning) => sameMessage(warning, message));
    return isKnown ? run : { ...run, warnings: [...run.warnings, { step, at, ...message }] };
  },
  MemoryPlanned: (run, { plan }) => ({ ...run, plan, peakBytes: null }),
};

const NO_PACE = { seconds_per_step: null, seconds_left: null, used_bytes: null, peak_bytes: null, endsAt_s: null };

const withLive = (run, status) => (run.live ? { ...run, live: { ...run.live, ...status } } : run);

const judged = ({ checkpoints, recommended }) => (checkpoints ? { checkpoints, recommended } : {});

const endOf = ({ seconds_left: left }, now_s) => (left === null || left === undefined ? null : now_s + left);

const sameMessage = (one, other) => one.key === other.key && JSON.stringify(one.values) === JSON.stringify(other.values);

/** A line of the list after an event of its run. */
function summaryAfter(summary, event) {
  const { event: name, step, at } = event;
  if (ENDS[name]) return { ...summary, state: ENDS[name], changed_at: at, ...recommendedIn(event) };
  switch (name) {
    case "Started": return { ...summary, state: "running", step: event.first_step - 1, total_steps: event.total_steps, changed_at: at };
    case "StepsDone": return step > summary.step ? { ...summary, state: "running", step, total_steps: event.total_steps, changed_at: at } : summary;
    case "CheckpointSaved": return { ...summary, changed_at: at, ...recommendedIn(event) };
    case "PreviewDrawn": return { ...summary, picture: event.picture };
    case "Validated": return step > 0 && event.best_step === step ? { ...summary, best_loss: event.loss } : summary;
    default: return summary.state === "running" ? summary : { ...summary, state: "running" };
  }
}

const recommendedIn = ({ recommended }) => (recommended ? { recommended_step: recommended.step } : {});

/** What was asked of a run that is over: a cancel or an early end is done, and what came too late is forgotten. */
function endedRequests(requests = {}, how) {
  const isAsked = (what) => requests[what]?.tag === "asked" || requests[what]?.tag === "done";
  const ended = {};
  if (isAsked("finish") && how === "finished") ended.finish = { tag: "done" };
  if (isAsked("cancel") && (how === "stopped" || how === "interrupted")) ended.cancel = { tag: "done" };
  return ended;
}

function withRequest(state, id, what, request) {
  const run = state.runs[id];
  return run ? { ...state, runs: { ...state.runs, [id]: { ...run, requests: { ...run.requests, [what]: request } } } } : state;
}

/** Where an event comes from: nodes of two workflows may have the same id. */
export const placeOf = (node, workflow) => `${workflow ?? ""}/${node}`;

function asking(state, ...ids) {
  const news = ids.filter((id) => !state.toRead.includes(id));
  return news.length ? { ...state, toRead: [...state.toRead, ...new Set(news)] } : state;
}

/** At most so many whole runs: those that were read first are forgotten, but for the live ones. */
function bounded(runs) {
  const ids = Object.keys(runs);
  const old = ids.filter((id) => !runs[id].live).slice(0, Math.max(0, ids.length - MAX_RUNS));
  return old.length ? Object.fromEntries(Object.entries(runs).filter(([id]) => !old.includes(id))) : runs;
}

const without = (all, id) => (id in all ? Object.fromEntries(Object.entries(all).filter(([other]) => other !== id)) : all);
