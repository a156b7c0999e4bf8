// History: what people said by hand about photos, by content, and what it was before. Pure; knows no kind of edit.

const MAX_HISTORY = 200;

/** Nothing said yet. Every state of an editor holds these four. */
export const NO_HISTORY = Object.freeze({ edits: {}, past: [], future: [], merging: null });

/** The state with other edits. Steps of one kind (`merging`) that follow each other are undone as one. */
export function commit(state, edits, merging = null) {
  if (sameForAll(edits, state.edits)) return state;
  const goesOn = merging !== null && merging === state.merging;
  const past = goesOn ? state.past : [...state.past, state.edits].slice(-MAX_HISTORY);
  return { ...state, edits, past, future: [], merging };
}

export function undo(state) {
  if (!state.past.length) return state;
  const [edits, past] = [state.past.at(-1), state.past.slice(0, -1)];
  return { ...state, edits, past, future: [state.edits, ...state.future], merging: null };
}

export function redo(state) {
  if (!state.future.length) return state;
  const [edits, ...future] = state.future;
  return { ...state, edits, future, past: [...state.past, state.edits], merging: null };
}

/** The state with edits that came from elsewhere. The canvas's own undo and redo come this way: they walk this history. */
export function taken(state, edits) {
  if (sameForAll(edits, state.edits)) return state;
  if (state.past.length && sameForAll(edits, state.past.at(-1))) return undo(state);
  if (state.future.length && sameForAll(edits, state.future[0])) return redo(state);
  return { ...state, ...NO_HISTORY, edits };
}

/** Whether two photos' edits, or two sets of them, say the same. */
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Whether two sets of edits say the same, in whatever order the photos were edited. */
export function sameForAll(one, other) {
  const hashes = Object.keys(one);
  return hashes.length === Object.keys(other).length && hashes.every((hash) => same(one[hash], other[hash]));
}
