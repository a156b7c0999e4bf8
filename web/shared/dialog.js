// Dialog: a window over the canvas that keeps its keys to itself. Knows no picture.

import { h } from "./dom.js";

/** A dialog with `parts` in it: its `sheet`, `show()` and `hide()`. Keys become events by `toEvent`; Escape closes. */
export function makeDialog({ label, className, kind = "", parts, toEvent, dispatch }) {
  const sheet = h("div", { className, tabIndex: -1, autofocus: true }, ...parts); // else Enter would press the first button
  const dialog = h("dialog", { className: `zl-large ${kind}`, "aria-modal": "true", "aria-label": label }, sheet);
  let before = null; // who had the focus

  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    dispatch({ type: "close" });
  });
  dialog.addEventListener("close", () => dialog.isConnected && !dialog.open && dispatch({ type: "close" })); // closed by others
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the canvas has keys of its own
    const meant = toEvent(event);
    if (!meant) return;
    event.preventDefault();
    dispatch(meant);
  });

  /** Open it, or, where it is open, see that keys still come here: a button that was switched off has lost the focus. */
  function show() {
    if (!dialog.isConnected) {
      before = document.activeElement;
      document.body.append(dialog);
      dialog.showModal();
    } else if (!dialog.contains(document.activeElement) || document.activeElement.disabled) {
      sheet.focus({ preventScroll: true });
    }
  }

  function hide() {
    if (!dialog.isConnected) return;
    dialog.close();
    dialog.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
    before = null;
  }

  return { sheet, show, hide };
}
