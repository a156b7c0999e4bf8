// Overlay: what is drawn over the large photo: the part that is kept, faces, and places to paint over.

import { HANDLES, isWhole } from "./boxes.js";
import { h, place, refill } from "../shared/dom.js";
import * as editor from "./state.js";

/** Draw it anew into `over`, which keeps listening to the pointer. */
export function drawOverlay(over, say, state, photo, send) {
  const crop = editor.cropOf(state, photo);
  const marks = editor.marksOf(state, photo);
  const chosen = state.drag?.kind === "mark" && state.drag.box ? state.drag.index : state.mark;
  const isCropping = state.tool === "crop";
  refill(
    over,
    (isCropping || !isWhole(crop)) && place(h("div", { className: `zl-kept ${isCropping ? "zl-cropping" : ""}` }), crop),
    ...photo.marks.map((mark) => place(h("div", { className: "zl-found", title: say("found_mark") }), mark)),
    ...marks.map((mark, index) => {
      const title = say("mark_number", { index: index + 1 });
      return place(h("div", { className: `zl-mark ${index === chosen ? "zl-chosen" : ""}`, title }), mark);
    }),
    ...(state.tool === "face" ? facesOf(say, state, photo, send) : []),
    ...(isCropping ? handlesOf(crop) : []),
    ...(state.tool === "mark" && marks[chosen] ? handlesOf(marks[chosen]) : []),
  );
}

function facesOf(say, state, photo, send) {
  const subject = editor.subjectOf(state, photo);
  return photo.faces.map((face, index) => {
    const label = say("face_number", { index: index + 1 });
    const button = h("button", {
      className: `zl-face ${index === subject ? "zl-chosen" : ""}`, title: label, "aria-label": label,
      "aria-pressed": String(index === subject), dataset: { key: `face ${index}` },
      // The pointer's click is heard by the overlay, with its place; this one is the keyboard's.
      onclick: (event) => event.detail === 0 && send({ type: "face", index }),
    });
    return place(button, face);
  });
}

function handlesOf([left, top, right, bottom]) {
  return HANDLES.map((handle) => {
    const x = handle.includes("w") ? left : handle.includes("e") ? right : (left + right) / 2;
    const y = handle.includes("n") ? top : handle.includes("s") ? bottom : (top + bottom) / 2;
    return h("i", { className: "zl-handle", style: { left: `${x * 100}%`, top: `${y * 100}%` } });
  });
}
