// Keys: what the keyboard means in every editor of ours. Knows no element.

/** `undo` or `redo` where a key press means that, else null. */
export function historyKey({ key, ctrlKey, metaKey, shiftKey }) {
  if (!ctrlKey && !metaKey) return null;
  const letter = key.toLowerCase();
  if (letter === "z") return shiftKey ? "redo" : "undo";
  return letter === "y" ? "redo" : null;
}
