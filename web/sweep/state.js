// State: everything the sweep viewer knows, and how each event changes it. Pure: draws nothing, asks nobody.
//
// { tag: "grid", ... }                       all pictures
// { tag: "large", row, column, beside, ... } one picture large, or beside that of another row
// { tag: "tally", ... }                      which rows take part in a blind comparison, and what came out so far
// { tag: "blind", ... }                      two pictures of the same prompt and seed, nobody says of which rows
//
// All hold the `view` (of the node's last run, or null), the `choice` as the widget has it, the size of the small
// pictures, the votes with the seed of their order, and which rows take part (`taking`, by key; null: nobody said).

import { ANSWERS, counted, idOf, nextTrial } from "./votes.js";

export const SIZES = { small: 72, medium: 116, large: 208 };
export const RECOMMENDED = "recommended";

export const START = Object.freeze({
  tag: "grid", view: null, choice: RECOMMENDED, size: "medium", seed: null, votes: [], taking: null,
});

/** The state after an event. An event that means nothing in a state leaves it as it is. */
export function next(state, event) {
  const step = ALWAYS[event.type] ?? (state.view ? (STEPS[event.type] ?? OF_TAG[state.tag]?.[event.type]) : undefined);
  return step ? step(state, event) : state;
}

/** The indices of the rows that the choice names: several, where a step was drawn at several strengths. */
export function chosenRows(state, choice = state.choice) {
  if (!state.view) return [];
  const isChosen = (row) => (choice === RECOMMENDED ? row.mark === RECOMMENDED : row.choice === choice);
  return state.view.rows.flatMap((row, index) => (isChosen(row) ? [index] : []));
}

/** Whether the node has to be queued for the choice to go on. */
export const isWaiting = (state) => Boolean(state.view) && plainChoice(state.view.choice) !== state.choice;

/** What the widget's text means. */
export const plainChoice = (text) => String(text ?? "").trim() || RECOMMENDED;

/** Whether the rows were drawn at more than one strength. */
export function hasSeveralStrengths({ rows }) {
  return new Set(rows.filter(({ choice }) => choice !== null).map(({ strength }) => strength)).size > 1;
}

/** The rows that take part in the blind comparison, by index: the user's, else the two best, else the last two. */
export function takingRows(state) {
  const { rows } = state.view;
  const trained = rows.map((row, index) => ({ ...row, index })).filter(({ choice }) => choice !== null);
  if (state.taking) return trained.filter(({ key }) => state.taking.includes(key)).map(({ index }) => index);
  const best = trained.filter(({ mark }) => mark);
  return (best.length === 2 ? best : trained.slice(-2)).map(({ index }) => index);
}

/** The pair that is being compared, or null when all are done. */
export const trialOf = (state) => nextTrial(state.view, takingRows(state), state.votes, state.seed);

function withView(state, { view }) {
  const taken = { ...state, view };
  if (state.tag !== "large") return state.tag === "blind" && !trialOf(taken) ? { ...taken, tag: "tally" } : taken;
  const place = { row: samePlace(state, view, state.row), column: sameColumn(state, view) };
  if (place.row < 0 || place.column < 0) return closed(taken);
  const beside = state.beside === null ? -1 : samePlace(state, view, state.beside);
  return { ...taken, ...place, beside: beside < 0 ? null : beside };
}

const samePlace = (state, view, row) => view.rows.findIndex(({ key }) => key === state.view.rows[row].key);

function sameColumn(state, view) {
  const { prompt, seed } = state.view.columns[state.column];
  return view.columns.findIndex((column) => column.prompt === prompt && column.seed === seed);
}

function closed({ row: _, column: __, beside: ___, ...state }) {
  return { ...state, tag: "grid" };
}

const isIn = (index, list) => Number.isInteger(index) && index >= 0 && index < list.length;

function opened(state, { row, column }) {
  const { rows, columns } = state.view;
  return isIn(row, rows) && isIn(column, columns) ? { ...closed(state), tag: "large", row, column, beside: null } : state;
}

/** To another picture; the rows next to each other are never the same one. */
function moved(state, { dx = 0, dy = 0 }) {
  const { rows, columns } = state.view;
  const column = Math.min(Math.max(state.column + dx, 0), columns.length - 1);
  let row = state.row + dy;
  if (row === state.beside) row += Math.sign(dy);
  if (!isIn(row, rows)) row = state.row;
  return row === state.row && column === state.column ? state : { ...state, row, column };
}

function putBeside(state, { row }) {
  const isOther = isIn(row, state.view.rows) && row !== state.row;
  return { ...state, beside: isOther ? row : null };
}

function chosen(state, { choice }) {
  const isThere = choice === RECOMMENDED || state.view.rows.some((row) => row.choice === choice);
  return isThere && choice !== null ? { ...state, choice } : state;
}

function voted(state, { better }) {
  const trial = trialOf(state);
  if (!trial || !ANSWERS.includes(better)) return state;
  const [a, b] = [trial.a, trial.b].map((row) => idOf(state.view.rows[row].cells[trial.column].name));
  const after = { ...state, votes: [...state.votes, { a, b, better }] };
  return trialOf(after) ? after : { ...after, tag: "tally" };
}

/** The last vote about pictures of this view is taken back; votes about others stay. */
function unvoted(state) {
  const isHere = (vote) => counted(state.view, [vote]).length > 0;
  const last = state.votes.findLastIndex(isHere);
  return last < 0 ? state : { ...state, votes: state.votes.filter((_, index) => index !== last) };
}

function taken(state, { key, value }) {
  const { rows } = state.view;
  const before = takingRows(state).map((index) => rows[index].key);
  return { ...state, taking: rows.map((row) => row.key).filter((each) => (each === key ? value : before.includes(each))) };
}

function begun(state, { seed }) {
  const started = { ...state, tag: "blind", seed: state.seed ?? seed };
  return takingRows(state).length > 1 && trialOf(started) ? started : state;
}

const ALWAYS = {
  view: withView,
  kept: (state, { seed, votes }) => ({ ...state, seed, votes }),
  choice: (state, { text }) => (plainChoice(text) === state.choice ? state : { ...state, choice: plainChoice(text) }),
  close: closed,
};

const STEPS = {
  open: opened,
  choose: chosen,
  size: (state, { size }) => (size in SIZES ? { ...state, size } : state),
  tally: (state) => ({ ...closed(state), tag: "tally" }),
  unvote: unvoted,
};

const OF_TAG = {
  large: { move: moved, beside: putBeside },
  tally: { take: taken, begin: begun, forget: (state) => ({ ...state, votes: [], seed: null }) },
  blind: { vote: voted },
};
