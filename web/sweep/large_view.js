// Large view: one picture in a dialog over the canvas, or beside that of another row, with what was measured.

import { h, refill } from "../shared/dom.js";
import { makeDialog } from "../shared/dialog.js";
import { largeEvent } from "./keys.js";
import { useButton } from "./row_head.js";
import { partsOf } from "./scores_view.js";
import { cellName, rowName } from "./words.js";

/** The dialog: `draw(state)` opens it for a state that has a picture open, and closes it for every other. */
export function makeLarge(hands) {
  const { say, dispatch } = hands;
  const [head, stage, side] = ["zl-head zl-row", "zl-column zl-pictures", "zl-column zl-side"].map((className) => h("div", { className }));
  const dialog = makeDialog({
    label: say("sweep_pictures"), className: "zl-sheet zl-sweep-large", parts: [head, stage, side], toEvent: largeEvent, dispatch,
  });
  let shown = ""; // the pictures that the stage has

  function draw(state) {
    if (state.tag !== "large") {
      shown = "";
      return dialog.hide();
    }
    refill(head, ...headOf(state));
    const rows = [state.row, state.beside].filter((row) => row !== null);
    const wanted = JSON.stringify([rows, state.column, rows.map((row) => state.view.rows[row].cells[state.column].name)]);
    if (shown !== wanted) stage.replaceChildren(...rows.map((row) => pictureOf(state, row)));
    shown = wanted;
    refill(side, ...sideOf(state));
    dialog.show();
  }

  function pictureOf(state, row) {
    const { view, column } = state;
    const image = h("img", { src: hands.pictureUrl(view, row, column), alt: cellName(hands, view, row, column), draggable: false });
    const pic = h("div", { className: "zl-pic" }, image);
    pic.style.setProperty("--ratio", view.picture_px[0] / view.picture_px[1]);
    return h("figure", {}, h("figcaption", { className: "zl-name", textContent: rowName(hands, view, view.rows[row]) }), h("div", { className: "zl-stage" }, pic));
  }

  function headOf(state) {
    const { view, row, column } = state;
    const { rows, columns } = view;
    const sign = (key, text, event, disabled = false) =>
      h("button", { textContent: text, title: say(key), "aria-label": say(key), disabled, dataset: { key }, onclick: () => dispatch(event) });
    const place = say("sweep_picture_of", { column: column + 1, columns: columns.length, row: row + 1, rows: rows.length });
    return [
      h("h2", { textContent: rowName(hands, view, rows[row]) }),
      h("span", { className: "zl-hint", textContent: place, title: say("sweep_keys") }),
      sign("sweep_left", "◀", { type: "move", dx: -1 }, column === 0),
      sign("sweep_right", "▶", { type: "move", dx: 1 }, column === columns.length - 1),
      sign("sweep_up", "▲", { type: "move", dy: -1 }, row === 0),
      sign("sweep_down", "▼", { type: "move", dy: 1 }, row === rows.length - 1),
      sign("close", "✕", { type: "close" }),
    ];
  }

  function sideOf(state) {
    const { view, row } = state;
    const options = view.rows.map((each, index) =>
      h("option", { value: index, textContent: rowName(hands, view, each), selected: index === state.beside, disabled: index === row }));
    const beside = h("select", {
      dataset: { key: "beside" }, onchange: (event) => dispatch({ type: "beside", row: event.target.value === "" ? null : Number(event.target.value) }),
    }, h("option", { value: "", textContent: say("sweep_nothing_beside"), selected: state.beside === null }), ...options);
    return [
      useButton(hands, state, view.rows[row]),
      h("label", {}, say("sweep_beside"), beside),
      ...partsOf(hands, state, row, state.column),
      h("div", { className: "zl-hint", textContent: say("sweep_keys") }),
    ];
  }

  return { draw };
}
