// Grid view: all pictures of a sweep on the node, a row per checkpoint and a column per prompt and seed, of which only
// those in sight are in the page. Draws the state; what people do becomes events.

import { h } from "../shared/dom.js";
import { gridStep } from "./keys.js";
import { drawHead } from "./row_head.js";
import { SIZES, START } from "./state.js";
import { makeTools } from "./tools_view.js";
import { inSight, scrollFor } from "./window.js";
import { cellName } from "./words.js";

const HEAD_PX = 44; // the line of prompts and the line of seeds
const LEAST_ROW_PX = 120; // a row's head wants this much
const GAP_PX = 6;
const [NARROWEST_PX, WIDEST_PX] = [92, 186]; // of the rows' heads

/** The grid: its element, and `draw(state)`. `hands` is what the viewer gives all its views. */
export function makeGrid(hands) {
  const { say, dispatch } = hands;
  const tools = makeTools(hands);
  const empty = h("div", { className: "zl-empty zl-hint" });
  const groups = h("div", { className: "zl-groups", "aria-hidden": "true" });
  const corner = h("div", { className: "zl-corner", role: "columnheader", "aria-label": say("sweep_row") });
  const header = h("div", { className: "zl-sweep-heads", role: "row", "aria-rowindex": "1" }, corner, groups);
  const inner = h("div", { className: "zl-inner", role: "presentation" }, header);
  const scroll = h("div", {
    className: "zl-scroll zl-sweep-grid", role: "grid", tabIndex: -1, "aria-label": say("sweep_pictures"),
    dataset: { captureWheel: "true" }, onscroll: () => place(), onclick: clicked, onkeydown: keyPressed, onfocusin: entered,
  }, inner);
  const fill = h("div", { className: "zl-fill" }, ...tools.elements, empty, scroll);
  const heads = new Map(); // column -> element
  const rows = new Map(); // row -> { element, head, cells: Map of column -> element }
  let state = START;
  let drawn = {}; // what the pictures were drawn for
  let active = { row: 0, column: 0 }; // where the Tab key leads
  let seen = { width: 0, height: 0 }; // read once: asking for it while scrolling costs a layout
  let px = sizes(START, 0);

  function draw(next) {
    state = next;
    tools.draw(state);
    [scroll.hidden, empty.hidden] = [!state.view, Boolean(state.view)];
    empty.textContent = say(hands.isLost() ? "sweep_lost" : "sweep_empty");
    if (!state.view) return;
    if (drawn.view !== state.view || drawn.size !== state.size) rebuild();
    else for (const [row, { head }] of rows) drawHead(head, hands, state, row);
  }

  /** Other pictures, or of another size: what was drawn goes. */
  function rebuild() {
    const { view } = state;
    drawn = { view, size: state.size };
    active = { row: Math.min(active.row, view.rows.length - 1), column: Math.min(active.column, view.columns.length - 1) };
    for (const each of [...heads.values(), ...[...rows.values()].map(({ element }) => element)]) each.remove();
    heads.clear();
    rows.clear();
    [scroll.ariaRowCount, scroll.ariaColCount] = [view.rows.length + 1, view.columns.length + 1].map(String);
    layOut();
  }

  function layOut() {
    if (!state.view) return;
    const { rows: all, columns } = state.view;
    seen = { width: scroll.clientWidth, height: scroll.clientHeight };
    px = sizes(state, seen.width);
    Object.assign(inner.style, { width: `${px.head + columns.length * px.column}px`, height: `${HEAD_PX + all.length * px.row}px` });
    for (const [name, value] of [["head", px.head], ["column", px.column], ["row", px.row], ["width", px.width], ["height", px.height]]) {
      inner.style.setProperty(`--${name}`, `${value}px`);
    }
    groups.replaceChildren(...promptGroups(say, columns, px));
    for (const [column, element] of heads) element.style.left = `${px.head + column * px.column}px`;
    for (const [row, { element, cells }] of rows) {
      element.style.top = `${HEAD_PX + row * px.row}px`;
      for (const [column, cell] of cells) cell.style.left = `${px.head + column * px.column}px`;
    }
    place();
  }

  /** Put the pictures that are in sight into the page, and take the others out. */
  function place() {
    if (!state.view) return;
    const { rows: all, columns } = state.view;
    const [firstRow, endRow] = inSight(scroll.scrollTop, (seen.height || 600) - HEAD_PX, px.row, all.length, 1);
    const [first, end] = inSight(scroll.scrollLeft, (seen.width || 900) - px.head, px.column, columns.length);
    const hasFocus = scroll.contains(document.activeElement); // who has the focus stays
    const isWanted = (row, column) =>
      (row >= firstRow && row < endRow && column >= first && column < end) || (hasFocus && row === active.row && column === active.column);
    for (const [row, { element, cells }] of rows) {
      const isKept = (row >= firstRow && row < endRow) || (hasFocus && row === active.row);
      for (const [column, cell] of cells) {
        if (isKept && isWanted(row, column)) continue;
        cell.remove();
        cells.delete(column);
      }
      if (isKept) continue;
      element.remove();
      rows.delete(row);
    }
    for (const [column, element] of heads) {
      if (column >= first && column < end) continue;
      element.remove();
      heads.delete(column);
    }
    for (let column = first; column < end; column += 1) if (!heads.has(column)) addHead(column);
    for (let row = firstRow; row < endRow; row += 1) {
      if (!rows.has(row)) addRow(row);
      for (let column = first; column < end; column += 1) if (!rows.get(row).cells.has(column)) addCell(row, column);
    }
  }

  function addHead(column) {
    const { prompt, seed } = state.view.columns[column];
    const element = h("div", {
      className: "zl-seed", role: "columnheader", "aria-colindex": String(column + 2), "aria-label": `${prompt}, ${say("sweep_seed", { seed })}`,
      textContent: say("sweep_seed", { seed }), style: { left: `${px.head + column * px.column}px` },
    });
    heads.set(column, element);
    header.append(element);
  }

  function addRow(row) {
    const head = h("div", { className: "zl-row-head", role: "rowheader", "aria-colindex": "1" });
    const element = h("div", {
      className: "zl-sweep-line", role: "row", "aria-rowindex": String(row + 2), style: { top: `${HEAD_PX + row * px.row}px` },
    }, head);
    drawHead(head, hands, state, row);
    rows.set(row, { element, head, cells: new Map() });
    const after = [...rows].filter(([other]) => other > row).sort(([one], [other]) => one - other)[0]; // the page's order is the rows'
    inner.insertBefore(element, after ? after[1].element : null);
  }

  function addCell(row, column) {
    const { copied } = state.view.rows[row].cells[column];
    const name = cellName(hands, state.view, row, column);
    const image = h("img", { alt: "", src: hands.smallUrl(state.view, row, column), decoding: "async", draggable: false });
    const cell = h("div", {
      className: "zl-cell", role: "gridcell", "aria-colindex": String(column + 2), "aria-label": name, title: name,
      dataset: { row, column }, tabIndex: row === active.row && column === active.column ? 0 : -1,
      style: { left: `${px.head + column * px.column}px` },
    }, image, copied && h("span", { className: "zl-badge zl-warn", textContent: say("badge_copy") }));
    const { element, cells } = rows.get(row);
    const after = [...cells].filter(([other]) => other > column).sort(([one], [other]) => one - other)[0];
    cells.set(column, cell);
    element.insertBefore(cell, after ? after[1] : null);
  }

  const cellAt = ({ row, column }) => rows.get(row)?.cells.get(column);

  function clicked(event) {
    const cell = event.target.closest(".zl-cell");
    if (cell) dispatch({ type: "open", row: Number(cell.dataset.row), column: Number(cell.dataset.column) });
  }

  function entered(event) {
    const cell = event.target.closest(".zl-cell");
    if (cell) activate({ row: Number(cell.dataset.row), column: Number(cell.dataset.column) });
  }

  function activate(to) {
    const before = cellAt(active);
    if (before) before.tabIndex = -1;
    active = to;
    const now = cellAt(active);
    if (now) now.tabIndex = 0;
  }

  function keyPressed(event) {
    if (!event.target.closest(".zl-cell")) return;
    const step = gridStep(event, Math.max(1, Math.floor((seen.height - HEAD_PX) / px.row)));
    if (step) focus({ row: active.row + step.dy, column: active.column + step.dx });
    else if (event.key === "Enter" || event.key === " ") dispatch({ type: "open", ...active });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Bring a picture into sight and give it the focus. */
  function focus({ row, column }) {
    if (!state.view) return;
    const { rows: all, columns } = state.view;
    const to = { row: Math.min(Math.max(row, 0), all.length - 1), column: Math.min(Math.max(column, 0), columns.length - 1) };
    scroll.scrollTop = scrollFor(to.row, scroll.scrollTop, seen.height - HEAD_PX, px.row);
    scroll.scrollLeft = scrollFor(to.column, scroll.scrollLeft, seen.width - px.head, px.column);
    activate(to);
    place();
    cellAt(to)?.focus({ preventScroll: true });
  }

  new ResizeObserver(layOut).observe(scroll);
  return { fill, draw, focus };
}

/** What everything measures, in pixels: pictures keep their shape, and narrow nodes have narrow heads. */
function sizes(state, seenPx) {
  const [pictureWidth, pictureHeight] = state.view?.picture_px ?? [1, 1];
  const scale = SIZES[state.size] / Math.max(pictureWidth, pictureHeight);
  const [width, height] = [pictureWidth, pictureHeight].map((side) => Math.max(1, Math.round(side * scale)));
  const head = Math.min(WIDEST_PX, Math.max(NARROWEST_PX, Math.round(seenPx * 0.3)));
  return { width, height, head, column: width + GAP_PX, row: Math.max(height + GAP_PX, LEAST_ROW_PX) };
}

/** The prompts over their columns; each stays in sight as long as one of its columns is. */
function promptGroups(say, columns, px) {
  const starts = columns.flatMap(({ prompt }, column) => (column === 0 || columns[column - 1].prompt !== prompt ? [column] : []));
  return starts.map((start, index) => {
    const end = starts[index + 1] ?? columns.length;
    const { prompt, is_canary: isCanary } = columns[start];
    const text = isCanary ? `${prompt} (${say("sweep_canary")})` : prompt;
    return h("div", {
      className: "zl-group", title: text, style: { left: `${px.head + start * px.column}px`, width: `${(end - start) * px.column}px` },
    }, h("span", { textContent: text }));
  });
}
