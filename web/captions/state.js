// State: everything the caption editor knows, and how each event changes it. Pure: draws nothing, asks nobody.
//
// { tag: "unreadable", text }   the widget holds something else, which is left alone until it is cleared
// { tag: "table", ... }         all captions below each other
//
// Both hold `rows` and `findings` (as the node's last run gave them) and `applied` (the edits of that run); the second
// also the edits, by content, with their history, the filter, and what is to be found and replaced.

import { writeEdits } from "../shared/edits_text.js";
import * as history from "../shared/history.js";
import { same, sameForAll } from "../shared/history.js";
import { changed, NO_EDIT, readEdits } from "./edits.js";

export const FILTERS = ["all", "findings", "edited"];

export const START = Object.freeze({
  tag: "table", rows: [], findings: [], applied: {}, filter: "all", search: "",
  replacing: null, // or { find, by, matchCase } while people find and replace
  ...history.NO_HISTORY,
});

/** The state after an event. An event that means nothing in a state leaves it as it is. */
export function next(state, event) {
  if (event.type === "loaded") return loaded(state, event.text);
  if (event.type === "output") return withOutput(state, event);
  if (event.type === "clear") return cleared(state);
  return state.tag === "table" && STEPS[event.type] ? STEPS[event.type](state, event) : state;
}

/** What the widget holds in this state. */
export const textOf = (state) => (state.tag === "unreadable" ? state.text : writeEdits(state.edits));

export const editOf = (state, hash) => state.edits[hash] ?? NO_EDIT;

/** The caption as far as it is known before the next run. */
export const captionOf = (state, row) => editOf(state, row.hash).caption ?? automaticOf(state, row);

/** What would stand there if nobody had written a whole caption by hand, as far as that is known. */
function automaticOf(state, row) {
  const { hash } = row;
  const rest = hash in state.edits ? changed({ [hash]: state.edits[hash] }, row, { caption: undefined })[hash] : undefined;
  return same(rest ?? null, state.applied[hash] ?? null) ? row.caption : row.plain;
}

/** Whether the photo's caption was edited since the run that is shown. */
export const isWaiting = (state, hash) => !same(state.edits[hash] ?? null, state.applied[hash] ?? null);

/** Whether the node has to be queued to apply what was edited. */
export const anyWaiting = (state) => state.rows.length > 0 && !sameForAll(state.edits, state.applied);

/** What the last run found about a photo's caption. */
export const findingsOf = (state, hash) => state.byHash?.get(hash) ?? [];

/** The kinds of findings that there are, each with the number of its photos, in the run's order. */
export function kindsOf(state) {
  const photos = new Map();
  for (const { kind, photos: hashes } of state.findings) {
    photos.set(kind, new Set([...(photos.get(kind) ?? []), ...hashes]));
  }
  return [...photos].map(([kind, hashes]) => ({ kind, count: hashes.size }));
}

/** The rows that the filter and the search let through, in order. `filter` is one of FILTERS or a kind of finding. */
export function shown(state, filter = state.filter) {
  const wanted = state.search.trim().toLowerCase();
  const passes = {
    all: () => true,
    findings: ({ hash }) => findingsOf(state, hash).length > 0,
    edited: ({ hash }) => hash in state.edits,
  }[filter] ?? (({ hash }) => findingsOf(state, hash).some(({ kind }) => kind === filter));
  const holds = (row) => !wanted || `${row.name}\n${captionOf(state, row)}`.toLowerCase().includes(wanted);
  return state.rows.filter((row) => passes(row) && holds(row));
}

/** The captions that finding and replacing would change: [{ row, caption }], and in how many places. */
export function replacements(state) {
  const { find = "", by = "", matchCase = false } = state.replacing ?? {};
  if (!find) return { changes: [], places: 0 };
  const pattern = new RegExp(find.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), matchCase ? "gu" : "giu");
  let places = 0;
  const changes = [];
  for (const row of shown(state)) {
    const before = captionOf(state, row);
    const after = before.replace(pattern, () => ((places += 1), by));
    if (after !== before) changes.push({ row, caption: oneLine(after) });
  }
  return { changes, places };
}

/** Edits whose photos are not among the rows: of another folder, or gone. */
export function strangers(state) {
  const there = new Set(state.rows.map(({ hash }) => hash));
  return Object.keys(state.edits).filter((hash) => !there.has(hash));
}

/** Whether all that a fix says is said already. */
export const isFixed = (state, fix) =>
  Object.entries(fix.edits).every(([hash, said]) => {
    const edit = editOf(state, hash);
    return Object.entries(said).every(([field, value]) => edit[field] === value);
  });

/** Captions have no line breaks and no blanks at their ends; while people type, a blank at the end is not yet one. */
const oneLine = (text) => text.replace(/\s+/g, " ").trim();

function loaded(state, text) {
  const edits = readEdits(text);
  const { rows, findings, byHash, applied } = state;
  if (edits === null) return { tag: "unreadable", text, rows, findings, byHash, applied };
  if (state.tag === "unreadable") return { ...START, rows, findings, byHash, applied, edits };
  return history.taken(state, edits);
}

function cleared(state) {
  const { rows, findings, byHash, applied } = state;
  return state.tag === "unreadable" ? { ...START, rows, findings, byHash, applied } : history.commit(state, {});
}

function withOutput(state, { rows, findings, applied }) {
  const byHash = new Map();
  for (const finding of findings) {
    for (const hash of finding.photos) byHash.set(hash, [...(byHash.get(hash) ?? []), finding]);
  }
  const taken = { ...state, rows: withKeys(rows), findings, byHash, applied: readEdits(applied ?? "") ?? {} };
  const isThere = FILTERS.includes(taken.filter) || findings.some(({ kind }) => kind === taken.filter);
  return taken.tag === "table" && !isThere ? { ...taken, filter: "all" } : taken;
}

/** The rows, each with a key of its own: copies of one photo share their content, and so their edit. */
function withKeys(rows) {
  const seen = new Map();
  return rows.map((row) => {
    const number = (seen.get(row.hash) ?? 0) + 1;
    seen.set(row.hash, number);
    return { ...row, key: number === 1 ? row.hash : `${row.hash} ${number}` };
  });
}

const rowOf = (state, hash) => state.rows.find((row) => row.hash === hash);

function change(state, hash, fields, merging = null) {
  const row = rowOf(state, hash);
  return row ? history.commit(state, changed(state.edits, row, fields), merging && `${merging} ${hash}`) : state;
}

/** A caption as typed. What would stand there anyway needs no word, and neither does an empty one. */
function withCaption(state, { hash, text }) {
  const row = rowOf(state, hash);
  const caption = text.replace(/\s*[\r\n]\s*/g, " ");
  const goesWithoutSaying = !caption.trim() || (row && oneLine(caption) === automaticOf(state, row));
  return change(state, hash, { caption: goesWithoutSaying ? undefined : caption }, "caption");
}

function fix(state, { fix: { edits: said } }) {
  const there = Object.entries(said).filter(([hash]) => rowOf(state, hash));
  const edits = there.reduce((all, [hash, fields]) => changed(all, rowOf(state, hash), fields), state.edits);
  return history.commit(state, edits);
}

function replaceAll(state) {
  const { changes } = replacements(state);
  const edits = changes.reduce((all, { row, caption }) => {
    const goesWithoutSaying = !caption || caption === automaticOf(state, row);
    return changed(all, row, { caption: goesWithoutSaying ? undefined : caption });
  }, state.edits);
  return history.commit(state, edits);
}

function without(state, hashes) {
  return history.commit(state, Object.fromEntries(Object.entries(state.edits).filter(([hash]) => !hashes.includes(hash))));
}

const STEPS = {
  undo: history.undo,
  redo: history.redo,
  caption: withCaption,
  feature: (state, { hash, text }) => {
    const feature = oneLine(text);
    const goesWithoutSaying = feature === rowOf(state, hash)?.feature && state.applied[hash]?.feature === undefined;
    return change(state, hash, { feature: goesWithoutSaying ? undefined : feature }, "feature");
  },
  faceless: (state, { hash, value }) => change(state, hash, { faceless: value ?? undefined }),
  settle: (state) => (state.merging === null ? state : { ...state, merging: null }),
  restore: (state, { hash }) => without(state, [hash]),
  forgetStrangers: (state) => without(state, strangers(state)),
  fix,
  filter: (state, { filter }) => ({ ...state, filter }),
  search: (state, { text }) => ({ ...state, search: text }),
  openReplacing: (state) => ({ ...state, replacing: state.replacing ? null : { find: "", by: "", matchCase: false } }),
  replacing: (state, { fields }) => (state.replacing ? { ...state, replacing: { ...state.replacing, ...fields } } : state),
  replaceAll,
};
