// Keys: what the keyboard means in the sweep viewer. Knows no element.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 1e6;

/** Where a key leads from a picture in the grid, whose page has so many rows: { dx, dy }, or null. */
export function gridStep({ key, ctrlKey, metaKey, altKey }, pageRows) {
  if (altKey) return null;
  const isFar = ctrlKey || metaKey;
  if (key in ARROWS && !isFar) return { dx: ARROWS[key][0], dy: ARROWS[key][1] };
  if (key === "Home") return { dx: -FAR, dy: isFar ? -FAR : 0 };
  if (key === "End") return { dx: FAR, dy: isFar ? FAR : 0 };
  if (key === "PageUp" || key === "PageDown") return { dx: 0, dy: key === "PageUp" ? -pageRows : pageRows };
  return null;
}

/** The event that a key means while one picture is large, or null for keys that the browser keeps. */
export function largeEvent({ key, ctrlKey, metaKey, altKey, target }) {
  if (ctrlKey || metaKey || altKey || target?.tagName === "SELECT") return null;
  return key in ARROWS ? { type: "move", dx: ARROWS[key][0], dy: ARROWS[key][1] } : null;
}

const VOTES = { a: "a", ArrowLeft: "a", b: "b", ArrowRight: "b", e: "equal", "=": "equal", ArrowDown: "equal" };

/** The event that a key means while two pictures are compared blindly, or null. A key held down votes once. */
export function blindEvent({ key, ctrlKey, metaKey, altKey, repeat }) {
  const isUndo = (ctrlKey || metaKey) && key.toLowerCase() === "z";
  if (isUndo || (key === "Backspace" && !altKey)) return { type: "unvote" };
  const better = VOTES[key.length === 1 ? key.toLowerCase() : key];
  return better && !repeat && !ctrlKey && !metaKey && !altKey ? { type: "vote", better } : null;
}
