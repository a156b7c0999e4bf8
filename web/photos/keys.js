// Keys: what the keyboard means in the large view. Knows no element but the one that has the focus.

import { historyKey } from "../shared/keys.js";

const STEP = 0.01;
const FINE_STEP = 0.001;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PLAIN = {
  f: { type: "tool", tool: "face" },
  c: { type: "tool", tool: "crop" },
  m: { type: "tool", tool: "mark" },
  n: { type: "addMark" },
  r: { type: "resetCrop" },
  Delete: { type: "deleteMark" },
  Backspace: { type: "deleteMark" },
  PageUp: { type: "step", by: -1 },
  PageDown: { type: "step", by: 1 },
};

/** The event that a key press means, or null for keys that the browser keeps. */
export function keyEvent(event) {
  const { key, ctrlKey, metaKey, shiftKey, altKey, target } = event;
  if (ctrlKey || metaKey) {
    const type = historyKey(event);
    return type && { type };
  }
  if (target?.tagName === "SELECT" || target?.type === "range") return null; // they have a use for arrows and letters
  if (key in ARROWS) {
    const step = altKey ? FINE_STEP : STEP;
    const [x, y] = ARROWS[key];
    return { type: "nudge", dx: x * step, dy: y * step, grow: shiftKey };
  }
  return PLAIN[key.length === 1 ? key.toLowerCase() : key] ?? null;
}
