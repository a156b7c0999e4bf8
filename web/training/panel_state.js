// Panel state: what one panel shows of all that the page knows. Pure: `(state, event) -> state`.

export const TABS = ["run", "runs", "compare"];
export const MAX_MARKED = 6; // as many as there are colours and dashes to tell them apart
export const SHARES = { none: 0, little: 0.02, usual: 0.05, much: 0.15 };

/** `picked` is the run chosen by hand, null for the place's own; `marked` are those to compare; `cursor` is a step. */
const START = Object.freeze({ tab: "run", picked: null, marked: [], smoothing: "usual", cursor: null, showsAll: false, loaded: null });

/** A panel that nobody has touched yet, with the smoothing that was chosen last. */
export const begin = (smoothing) => ({ ...START, smoothing: Object.hasOwn(SHARES, smoothing) ? smoothing : START.smoothing });

export function next(state, event) {
  switch (event.type) {
    case "tab": return state.tab === event.tab ? state : { ...state, tab: event.tab, cursor: null };
    case "pick": return { ...state, picked: event.id, tab: "run", cursor: null, loaded: null };
    case "mark": return { ...state, marked: marked(state.marked, event.id) };
    case "smooth": return { ...state, smoothing: event.smoothing };
    case "cursor": return state.cursor === event.step ? state : { ...state, cursor: event.step };
    case "all": return { ...state, showsAll: !state.showsAll };
    case "loaded": return { ...state, loaded: event.loaded };
    default: throw new Error(`no event of a panel: ${event.type}`);
  }
}

function marked(ids, id) {
  if (ids.includes(id)) return ids.filter((other) => other !== id);
  return ids.length < MAX_MARKED ? [...ids, id] : ids;
}
