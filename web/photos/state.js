// State: everything the photo editor knows, and how each event changes it. Pure: draws nothing, asks nobody.
//
// { tag: "unreadable", text }            the widget holds something else, which is left alone until it is cleared
// { tag: "grid", filter, ... }           all photos side by side
// { tag: "open", hash, tool, ... }       one photo, large; `drag` while the pointer is down, `mark` is the chosen mark
//
// The last two hold `photos` (as the node's last run gave them), `edits` (by content), `applied` (the edits of that run)
// and the edits' history.

import { writeEdits } from "../shared/edits_text.js";
import * as history from "../shared/history.js";
import { same, sameForAll } from "../shared/history.js";
import * as boxes from "./boxes.js";
import { changed, NO_EDIT, readEdits, withLabel, withMarks } from "./edits.js";

export const FILTERS = ["all", "changed", "aside", "findings", "edited"];
export const TOOLS = ["face", "crop", "mark"];
export const LEAST_CROP = 0.05;
export const LEAST_MARK = 0.005;
const NEW_MARK = [0.4, 0.45, 0.6, 0.55];
const AROUND_A_FACE = 0.02;

export const START = Object.freeze({
  tag: "grid", filter: "all", photos: [], applied: {}, ...history.NO_HISTORY,
});

/** The state after an event. An event that means nothing in a state leaves it as it is. */
export function next(state, event) {
  if (event.type === "loaded") return loaded(state, event.text);
  if (event.type === "clear") return cleared(state);
  if (state.tag === "unreadable") return event.type === "photos" ? { ...state, photos: event.photos } : state;
  const step = STEPS[event.type] ?? (state.tag === "open" ? OPEN_STEPS[event.type] : undefined);
  return step ? step(state, event) : state;
}

/** What the widget holds in this state. */
export const textOf = (state) => (state.tag === "unreadable" ? state.text : writeEdits(state.edits));

export const editOf = (state, hash) => state.edits[hash] ?? NO_EDIT;

export const photoOf = (state, hash) => state.photos.find((photo) => photo.hash === hash);

/** Whether the photo was edited since the run that is shown. */
export const isWaiting = (state, hash) => !same(state.edits[hash] ?? null, state.applied[hash] ?? null);

/** Whether the node has to be queued to apply what was edited. */
export const anyWaiting = (state) => state.photos.length > 0 && !sameForAll(state.edits, state.applied);

/** Whether the photo will be left out, as far as is known before the next run. */
export const isOut = (state, photo) => !(editOf(state, photo.hash).use ?? cleaningUses(state, photo));

/** What cleaning would do with the photo if nobody said anything. A run in which the user had a say does not show it. */
function cleaningUses(state, photo) {
  const said = state.applied[photo.hash]?.use;
  return said === undefined ? !photo.set_aside : !said;
}

/** The photos that the filter lets through, in order. */
export function shown(state, filter = state.filter) {
  const passes = {
    all: () => true,
    changed: (photo) => photo.done.length > 0 && !isOut(state, photo),
    aside: (photo) => Boolean(photo.set_aside) || isOut(state, photo),
    findings: (photo) => photo.findings.length > 0,
    edited: (photo) => photo.hash in state.edits,
  };
  return state.photos.filter(passes[filter]);
}

/** The part that is kept: the user's, or what the last run kept. */
export function cropOf(state, photo) {
  const drawn = state.drag?.kind === "crop" ? state.drag.box : null;
  return drawn ?? editOf(state, photo.hash).crop ?? automaticCrop(state, photo);
}

/** The user's marks, with the one that is being drawn. */
export function marksOf(state, photo) {
  const marks = editOf(state, photo.hash).marks ?? [];
  const { drag } = state;
  if (drag?.kind !== "mark" || !drag.box) return marks;
  return drag.index < marks.length ? marks.map((mark, at) => (at === drag.index ? drag.box : mark)) : [...marks, drag.box];
}

/** Which of the photo's faces is the subject's, or -1. */
export function subjectOf(state, photo) {
  const edit = editOf(state, photo.hash);
  if (edit.no_face) return -1;
  if (edit.face) return faceAt(photo, edit.face);
  const applied = state.applied[photo.hash] ?? NO_EDIT;
  const asShown = !applied.face && !applied.no_face;
  return asShown && photo.subject !== undefined ? (photo.subject ?? -1) : largest(photo.faces);
}

/** The face at a point, the smallest if several; -1 if there is none. */
export function faceAt(photo, point) {
  const isNear = (index) => boxes.contains(photo.faces[index], point, [AROUND_A_FACE, AROUND_A_FACE]);
  const hit = photo.faces.map((_, index) => index).filter(isNear);
  return hit.sort((one, other) => boxes.area(photo.faces[one]) - boxes.area(photo.faces[other]))[0] ?? -1;
}

function largest(faces) {
  return faces.reduce((best, face, index) => (best < 0 || boxes.area(face) > boxes.area(faces[best]) ? index : best), -1);
}

/** What was kept without the user's crop; after a run with one, nobody knows, and the whole photo stands for it. */
function automaticCrop(state, photo) {
  return state.applied[photo.hash]?.crop ? boxes.WHOLE : photo.frame.map((share) => Math.min(Math.max(share, 0), 1));
}

function loaded(state, text) {
  const edits = readEdits(text);
  const { photos = [], applied = {}, filter = "all" } = state;
  if (edits === null) return { tag: "unreadable", text, photos, applied };
  if (state.tag === "unreadable") return { ...START, photos, applied, edits };
  const walked = history.taken(state, edits);
  return walked.past.length + walked.future.length || walked === state
    ? withinMarks(walked) : { ...START, photos, applied, filter, edits };
}

function cleared(state) {
  const { photos, applied } = state;
  return state.tag === "unreadable" ? { ...START, photos, applied } : commit(state, {});
}

const settled = (state) => (state.drag ? { ...state, drag: null } : state);

const commit = (state, edits, merging = null) => withinMarks(history.commit(settled(state), edits, merging));
const undo = (state) => (state.past.length ? withinMarks(history.undo(settled(state))) : state);
const redo = (state) => (state.future.length ? withinMarks(history.redo(settled(state))) : state);

/** The chosen mark is one that there is. */
function withinMarks(state) {
  if (state.tag !== "open") return state;
  const numMarks = editOf(state, state.hash).marks?.length ?? 0;
  return state.mark !== null && state.mark >= numMarks ? { ...state, mark: null } : state;
}

function change(state, hash, fields, merging) {
  const photo = photoOf(state, hash);
  return photo ? commit(state, changed(state.edits, photo, fields), merging && `${merging} ${hash}`) : state;
}

function openPhoto(state, hash) {
  return photoOf(state, hash) ? { ...state, tag: "open", hash, tool: state.tool ?? "face", mark: null, drag: null } : state;
}

function closed({ hash: _, tool: __, mark: ___, drag: ____, ...state }) {
  return { ...state, tag: "grid", merging: null };
}

function stepBy(state, by) {
  const row = shown(state);
  const at = row.findIndex((photo) => photo.hash === state.hash);
  const to = row[at < 0 ? 0 : Math.min(Math.max(at + by, 0), row.length - 1)];
  return to && to.hash !== state.hash ? openPhoto({ ...state, merging: null }, to.hash) : state;
}

function withPhotos(state, { photos, applied }) {
  const taken = { ...state, photos, applied: readEdits(applied ?? "") ?? {} };
  return taken.tag === "open" && !photoOf(taken, taken.hash) ? closed(taken) : taken;
}

/** Taken back with true, left out with false. What cleaning does anyway needs no word. */
function use(state, { hash, value }) {
  const photo = photoOf(state, hash);
  if (!photo) return state;
  const goesWithoutSaying = value === cleaningUses(state, photo) && state.applied[hash]?.use !== true;
  return change(state, hash, { use: goesWithoutSaying ? undefined : value });
}

/** The pointer goes down: a face is chosen at once, boxes begin to be drawn, moved or resized. */
function pressed(state, point, reach) {
  const photo = photoOf(state, state.hash);
  if (state.tool === "face") return pressedFace(state, photo, point);
  if (state.tool === "crop") {
    const from = cropOf(state, photo);
    const handle = boxes.handleAt(from, point, reach);
    const how = handle ?? (boxes.contains(from, point) && !boxes.isWhole(from) ? "move" : "new");
    return { ...state, drag: { kind: "crop", how, start: point, from, reach, least: LEAST_CROP, box: null } };
  }
  const marks = marksOf(state, photo);
  const handle = state.mark === null ? null : boxes.handleAt(marks[state.mark], point, reach);
  const index = handle ? state.mark : marks.findLastIndex((mark) => boxes.contains(mark, point));
  const [how, at] = index < 0 ? ["new", marks.length] : [handle ?? "move", index];
  const drag = { kind: "mark", how, start: point, from: marks[at] ?? null, reach, least: LEAST_MARK, box: null, index: at };
  return { ...state, mark: index < 0 ? null : index, drag };
}

function pressedFace(state, photo, point) {
  const [index, edit] = [faceAt(photo, point), editOf(state, photo.hash)];
  const isChosen = edit.face && faceAt(photo, edit.face) === index;
  if (index < 0 || isChosen) return state;
  const isInside = boxes.contains(photo.faces[index], point); // a click just beside could be nearer to another one
  return change(state, photo.hash, { face: isInside ? point : middleOf(photo.faces[index]), no_face: undefined });
}

const middleOf = ([left, top, right, bottom]) => boxes.pointAt((left + right) / 2, (top + bottom) / 2);

/** The drag with the box that the pointer makes; a pointer that only trembles makes none. */
function dragged(drag, point) {
  const { how, start, from, reach, least } = drag;
  const [dx, dy] = [point[0] - start[0], point[1] - start[1]];
  if (!drag.box && Math.abs(dx) < reach[0] / 2 && Math.abs(dy) < reach[1] / 2) return drag;
  if (how === "new") return { ...drag, box: boxes.between(start, point, least) };
  return { ...drag, box: how === "move" ? boxes.moved(from, dx, dy) : boxes.resized(from, how, dx, dy, least) };
}

function released(state) {
  const { drag } = state;
  if (!drag?.box) return drag ? { ...state, drag: null } : state;
  if (drag.kind === "crop") return change(state, state.hash, { crop: drag.box });
  const marks = marksOf(state, photoOf(state, state.hash));
  return { ...change(state, state.hash, withMarks(marks)), mark: drag.index };
}

/** The crop or the chosen mark moved, or made larger, from the keyboard. */
function nudged(state, dx, dy, grow) {
  const photo = photoOf(state, state.hash);
  const push = (box, least) => (grow ? boxes.resized(box, "se", dx, dy, least) : boxes.moved(box, dx, dy));
  if (state.tool === "crop") return change(state, state.hash, { crop: push(cropOf(state, photo), LEAST_CROP) }, "crop");
  if (state.tool !== "mark" || state.mark === null) return state;
  const marks = marksOf(state, photo).map((mark, at) => (at === state.mark ? push(mark, LEAST_MARK) : mark));
  return change(state, state.hash, withMarks(marks), `mark ${state.mark}`);
}

const STEPS = {
  photos: withPhotos,
  undo,
  redo,
  use,
  filter: (state, { filter }) => (FILTERS.includes(filter) ? { ...state, filter } : state),
  open: (state, { hash }) => openPhoto({ ...state, merging: null }, hash),
  label: (state, { hash, label, value }) =>
    change(state, hash, withLabel(editOf(state, hash), label, value)),
  restore: (state, { hash }) => {
    const { [hash]: _, ...edits } = state.edits;
    return commit(state, edits);
  },
};

const OPEN_STEPS = {
  close: closed,
  step: (state, { by }) => stepBy(state, by),
  tool: (state, { tool }) => (TOOLS.includes(tool) ? { ...state, tool, drag: null, merging: null } : state),
  face: (state, { index }) => {
    const box = photoOf(state, state.hash).faces[index];
    return box ? change(state, state.hash, { face: middleOf(box), no_face: undefined }) : state;
  },
  noFace: (state, { value }) =>
    change(state, state.hash, { no_face: value || undefined, ...(value ? { face: undefined } : {}) }),
  resetCrop: (state) => change(state, state.hash, { crop: undefined }),
  mark: (state, { index }) => (index === null || editOf(state, state.hash).marks?.[index] ? { ...state, mark: index } : state),
  addMark: (state) => {
    const marks = [...(editOf(state, state.hash).marks ?? []), NEW_MARK];
    return { ...change(state, state.hash, withMarks(marks)), tool: "mark", mark: marks.length - 1 };
  },
  deleteMark: (state, { index = state.mark }) => {
    const marks = editOf(state, state.hash).marks ?? [];
    return index === null ? state : { ...change(state, state.hash, withMarks(marks.filter((_, at) => at !== index))), mark: null };
  },
  nudge: (state, { dx, dy, grow = false }) => nudged(state, dx, dy, grow),
  press: (state, { x, y, reach }) => pressed({ ...state, drag: null }, boxes.pointAt(x, y), reach),
  drag: (state, { x, y }) => (state.drag ? { ...state, drag: dragged(state.drag, boxes.pointAt(x, y)) } : state),
  release: released,
  cancel: (state) => (state.drag ? { ...state, drag: null } : state),
};
