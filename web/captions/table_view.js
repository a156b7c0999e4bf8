// Table view: all captions on the node, of which only those in sight are in the page. Draws the state; what people do
// becomes events.

import { h } from "../shared/dom.js";
import { historyKey } from "../shared/keys.js";
import { makeRow } from "./row_view.js";
import * as editor from "./state.js";
import { makeTools } from "./tools_view.js";

export const ROW_PX = 116;
const SPARE_ROWS = 3;
const ORDER_AFTER_MS = 150;

/** The table: its element, and `draw(state)`. `urlOf` gives the address of a file of the node's output. */
export function makeTable({ say, urlOf, dispatch }) {
  const tools = makeTools({ say, dispatch: toolUsed });
  const inner = h("div", { className: "zl-rows", role: "list" });
  const empty = h("div", { className: "zl-empty zl-hint" });
  // Without the focus in here, the canvas takes the wheel.
  const scroll = h("div", { className: "zl-scroll", tabIndex: -1, dataset: { captureWheel: "true" }, onscroll: () => place() }, inner, empty);
  const fill = h("div", { className: "zl-fill" }, ...tools.elements, scroll);
  const element = h("div", { className: "zl-box zl-captions" }, fill);
  const rows = new Map(); // by key: what makeRow gave, for the rows in sight
  let ordering = 0;
  const spare = []; // rows that went out of sight, for those that come in
  let state = editor.START;
  let listed = [];
  let active = null; // the row that has the focus stays, whatever the filter says

  const hands = {
    say, urlOf, dispatch,
    go: (key, by) => focus(listed.findIndex((row) => row.key === key) + by),
    entered: (key) => { active = key; },
    left: (isInRow) => {
      if (!isInRow) active = null;
      dispatch({ type: "settle" });
      draw(state);
    },
  };

  function draw(next) {
    state = next;
    const hadFocus = element.contains(document.activeElement);
    const readable = state.tag === "table";
    tools.draw(state);
    listed = readable ? withActive(editor.shown(state), state, active) : [];
    inner.style.height = `${listed.length * ROW_PX}px`;
    empty.hidden = listed.length > 0;
    empty.textContent = say(state.rows.length ? "nothing_here" : "captions_empty");
    place({ changed: true });
    const hasFocus = element.contains(document.activeElement) && !document.activeElement.disabled;
    if (hadFocus && !hasFocus) scroll.focus({ preventScroll: true }); // keys stay here when their button has done its work
  }

  /** After our undo the keys for it are ours too: with the focus on a button, the canvas would take them. */
  function toolUsed(event) {
    dispatch(event);
    if (event.type === "undo" || event.type === "redo") focus(Math.ceil(scroll.scrollTop / ROW_PX));
  }

  /** Put the rows that are in sight into the page, and take the others out; draw those that come, or all after a change. */
  function place({ changed = false } = {}) {
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW_PX) - SPARE_ROWS);
    const last = Math.min(listed.length, Math.ceil((scroll.scrollTop + (scroll.clientHeight || 600)) / ROW_PX) + SPARE_ROWS);
    const wanted = new Map(listed.slice(first, last).map((row, at) => [row.key, [row, first + at]]));
    const activeAt = active === null ? -1 : listed.findIndex(({ key }) => key === active);
    if (activeAt >= 0) wanted.set(active, [listed[activeAt], activeAt]);
    for (const [key, row] of rows) {
      if (wanted.has(key)) continue;
      rows.delete(key);
      spare.push(row);
    }
    for (const [key, [row, index]] of wanted) {
      const comes = !rows.has(key);
      if (comes) rows.set(key, spare.pop() ?? makeRow(hands));
      const { element: card, draw: drawRow } = rows.get(key);
      if (comes || changed) drawRow(state, row, index);
      if (card.dataset.index === String(index) && card.isConnected) continue;
      card.dataset.index = index;
      card.style.transform = `translateY(${index * ROW_PX}px)`;
      card.ariaPosInSet = String(index + 1);
      card.ariaSetSize = "-1"; // the filter says how many there are
      if (!card.isConnected) inner.append(card);
    }
    for (const { element: card } of spare) card.remove();
    clearTimeout(ordering); // moving elements is slow, so not while people scroll
    ordering = setTimeout(() => putInOrder(inner), ORDER_AFTER_MS);
  }

  function focus(index) {
    if (index < 0 || index >= listed.length) return;
    const top = index * ROW_PX;
    if (top < scroll.scrollTop) scroll.scrollTop = top;
    else if (top + ROW_PX > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + ROW_PX - scroll.clientHeight;
    place();
    rows.get(listed[index].key)?.focus();
  }

  element.addEventListener("keydown", (event) => {
    const isWriting = event.target.matches(".zl-caption textarea, .zl-caption input"); // elsewhere the canvas undoes the same steps
    const step = event.isComposing || !isWriting ? null : historyKey(event);
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    dispatch({ type: step });
  });
  new ResizeObserver(() => place()).observe(scroll);
  return { element, draw };
}

/** The rows to list: those that are shown, and the one that is being written in. */
function withActive(shown, state, active) {
  if (active === null || shown.some(({ key }) => key === active)) return shown;
  const kept = new Set([active, ...shown.map(({ key }) => key)]);
  return state.rows.filter(({ key }) => kept.has(key));
}

/** The page's order is the table's order, for the Tab key and for screen readers. */
function putInOrder(inner) {
  const cards = [...inner.children].sort((one, other) => other.dataset.index - one.dataset.index);
  let after = null;
  for (const card of cards) {
    const isHeld = card.contains(document.activeElement); // moved, it would lose the focus; the others go around it
    if (card.nextElementSibling !== after && !isHeld) inner.insertBefore(card, after);
    after = card;
  }
}
