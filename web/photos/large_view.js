// Large view: one photo in a dialog over the canvas, to choose its face, crop it, mark what to remove, and label it.

import { h, place, refill } from "../shared/dom.js";
import { makeCompare } from "./compare_view.js";
import { LABELS } from "./edits.js";
import { keyEvent } from "./keys.js";
import { reasonOf } from "./grid_view.js";
import { drawOverlay } from "./overlay.js";
import * as editor from "./state.js";

const REACH_PX = 10;

/** The dialog: `draw(state)` opens it for a state that has a photo open, and closes it for every other. */
export function makeLarge({ say, urlOf, dispatch }) {
  const parts = {
    head: h("div", { className: "zl-head zl-row" }),
    tools: h("div", { className: "zl-tools zl-row" }),
    hint: h("div", { className: "zl-hint" }),
    stage: h("div", { className: "zl-stage" }),
    after: h("div", { className: "zl-column zl-after" }),
    side: h("div", { className: "zl-column zl-side" }),
    over: h("div", { className: "zl-over" }),
  };
  const before = h("div", { className: "zl-column zl-before" }, parts.tools, parts.stage, parts.hint);
  const sheet = h("div", { className: "zl-sheet" }, parts.head, before, parts.after, parts.side);
  const dialog = h("dialog", { className: "zl-large", "aria-modal": "true" }, sheet);
  const compare = makeCompare({ say, urlOf });
  const send = (event) => event && dispatch(event);
  let shown = null; // what the photo's picture was drawn for
  let isPressed = false;

  listenToPointer(parts.over, send, (pressed) => (isPressed = pressed));
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    send({ type: isPressed ? "cancel" : "close" });
  });
  dialog.addEventListener("close", () => dialog.isConnected && !dialog.open && send({ type: "close" })); // closed by others
  dialog.addEventListener("keydown", (event) => {
    const meant = keyEvent(event);
    event.stopPropagation(); // the canvas has keys of its own
    if (!meant) return;
    event.preventDefault();
    send(meant);
  });

  function draw(state) {
    if (state.tag !== "open") {
      dialog.remove();
      dialog.close();
      shown = null;
      return;
    }
    const photo = editor.photoOf(state, state.hash);
    const picture = urlOf(photo.before);
    if (shown !== picture) {
      shown = picture;
      parts.stage.replaceChildren(pictureOf(picture, say("before"), photo.size, parts.over));
    }
    drawOverlay(parts.over, say, state, photo, send);
    if (!state.drag) drawAround({ say, send, compare }, parts, state, photo);
    if (!dialog.isConnected) {
      document.body.append(dialog);
      dialog.showModal();
    }
  }

  return { dialog, draw };
}

function listenToPointer(over, send, setPressed) {
  const at = (event) => {
    const { left, top, width, height } = over.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
    return { x, y, reach: [REACH_PX / width, REACH_PX / height] };
  };
  over.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    over.setPointerCapture(event.pointerId);
    setPressed(true);
    send({ type: "press", ...at(event) });
  });
  over.addEventListener("pointermove", (event) => over.hasPointerCapture(event.pointerId) && send({ type: "drag", ...at(event) }));
  over.addEventListener("pointerup", () => send({ type: "release" }));
  over.addEventListener("pointercancel", () => send({ type: "cancel" }));
  over.addEventListener("lostpointercapture", () => setPressed(false));
}

function pictureOf(url, alt, size, over = null) {
  const pic = h("div", { className: "zl-pic" }, h("img", { src: url, alt, draggable: false }), over);
  pic.style.setProperty("--ratio", size[0] / size[1]);
  return pic;
}

/** Everything but the picture under the pointer. */
function drawAround(hands, parts, state, photo) {
  refill(parts.head, ...headOf(hands, state, photo));
  refill(parts.tools, ...toolsOf(hands, state, photo));
  const { say } = hands;
  parts.hint.textContent = say(state.tool === "face" && !photo.faces.length ? "hint_face_none" : `hint_${state.tool}`);
  refill(parts.after, ...afterOf(hands, state, photo));
  refill(parts.side, ...sideOf(hands, state, photo));
}

function button({ send }, key, text, event, more = {}) {
  return h("button", { textContent: text, dataset: { key }, onclick: () => send(event), ...more });
}

function headOf(hands, state, photo) {
  const { say } = hands;
  const row = editor.shown(state);
  const index = row.findIndex((each) => each.hash === photo.hash);
  const sign = (key, text, event, disabled = false) =>
    button(hands, key, text, event, { title: say(key), "aria-label": say(key), disabled });
  return [
    h("h2", { textContent: photo.name, title: photo.name }),
    h("span", { className: "zl-hint", textContent: index < 0 ? "" : say("position", { index: index + 1, count: row.length }) }),
    sign("previous", "◀", { type: "step", by: -1 }, index === 0),
    sign("following", "▶", { type: "step", by: 1 }, index === row.length - 1),
    sign("undo", "↶", { type: "undo" }, !state.past.length),
    sign("redo", "↷", { type: "redo" }, !state.future.length),
    sign("close", "✕", { type: "close" }),
  ];
}

function toolsOf(hands, state, photo) {
  const { say } = hands;
  const edit = editor.editOf(state, photo.hash);
  const tools = editor.TOOLS.map((tool) =>
    button(hands, tool, say(`tool_${tool}`), { type: "tool", tool }, {
      "aria-pressed": String(tool === state.tool), title: `${say(`tool_${tool}`)} (${tool[0].toUpperCase()})`,
    }),
  );
  const more = {
    face: () => [
      h("label", {}, h("input", {
        type: "checkbox", checked: edit.no_face === true, dataset: { key: "no_face" },
        onchange: (event) => hands.send({ type: "noFace", value: event.target.checked }),
      }), ` ${say("no_face")}`),
    ],
    crop: () => [button(hands, "reset_crop", say("reset_crop"), { type: "resetCrop" }, { disabled: !edit.crop })],
    mark: () => [
      button(hands, "add_mark", say("add_mark"), { type: "addMark" }),
      button(hands, "delete_mark", say("delete_mark"), { type: "deleteMark" }, { disabled: state.mark === null }),
    ],
  };
  return [...tools, h("span", { className: "zl-hint", textContent: "│" }), ...more[state.tool]()];
}

function afterOf({ say, compare }, state, photo) {
  if (photo.after) compare.show(photo);
  const none = () => h("div", { className: "zl-stage" }, h("span", { className: "zl-hint", textContent: say("no_after") }));
  const size = ([width, height]) => `${width} × ${height}`;
  const sizes = photo.after ? say("size", { before: size(photo.size), after: size(photo.after_size) }) : size(photo.size);
  const waiting = editor.isWaiting(state, photo.hash) && photo.after;
  return [
    h("div", { className: "zl-row" }, h("b", { textContent: say("after") }), h("span", { className: "zl-hint", textContent: sizes })),
    photo.after ? compare.element : none(),
    h("div", { className: "zl-hint zl-line", textContent: waiting ? say("after_waiting") : "" }),
  ];
}

function sideOf(hands, state, photo) {
  const { say, send } = hands;
  const { hash } = photo;
  const edit = editor.editOf(state, hash);
  const out = editor.isOut(state, photo);
  const labels = Object.keys(LABELS).map((label) => {
    const automatic = photo.labelled.includes(label) ? "unknown" : (photo.labels[label] ?? "unknown");
    const options = ["", ...LABELS[label]].map((value) =>
      h("option", {
        value, textContent: value ? say(value) : say("automatic", { value: say(automatic) }),
        selected: value === (edit.labels?.[label] ?? ""),
      }),
    );
    const onchange = (event) => send({ type: "label", hash, label, value: event.target.value });
    return h("label", {}, say(label), h("select", { dataset: { key: label }, onchange }, ...options));
  });
  const list = (title, lines) =>
    lines.length ? [h("h3", { textContent: say(title) }), h("ul", {}, ...lines.map((line) => h("li", { textContent: line })))] : [];
  return [
    out && h("div", { className: "zl-reason", textContent: reasonOf(say, state, photo) }),
    h(
      "div",
      { className: "zl-row" },
      button(hands, "use", say(out ? "take_back" : "leave_out"), { type: "use", hash, value: out }),
      button(hands, "restore", say("restore"), { type: "restore", hash }, { disabled: !(hash in state.edits) }),
    ),
    ...labels,
    ...list("findings", photo.findings),
    ...list("done", photo.done),
  ];
}
