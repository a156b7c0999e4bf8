// The keyboard in the large view: everything the mouse can do, and nothing taken from fields that need their keys.

import assert from "node:assert/strict";
import test from "node:test";

import { keyEvent } from "../../web/photos/keys.js";
import { next, START, TOOLS } from "../../web/photos/state.js";

const press = (key, more = {}) => keyEvent({ key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, target: null, ...more });

test("every tool has a key, and arrows move, resize and move finely", () => {
  assert.deepEqual(["f", "C", "m"].map((key) => press(key).tool), TOOLS);
  assert.deepEqual(press("ArrowLeft"), { type: "nudge", dx: -0.01, dy: 0, grow: false });
  assert.deepEqual(press("ArrowDown", { shiftKey: true, altKey: true }), { type: "nudge", dx: 0, dy: 0.001, grow: true });
  assert.deepEqual(press("PageDown"), { type: "step", by: 1 });
});

test("undo and redo have the keys of the canvas", () => {
  for (const mod of [{ ctrlKey: true }, { metaKey: true }]) {
    assert.equal(press("z", mod).type, "undo");
    assert.equal(press("Z", { ...mod, shiftKey: true }).type, "redo");
    assert.equal(press("y", mod).type, "redo");
    assert.equal(press("c", mod), null);
  }
});

test("lists, sliders, tabs and buttons keep their keys", () => {
  for (const target of [{ tagName: "SELECT" }, { tagName: "INPUT", type: "range" }]) {
    for (const key of ["ArrowDown", "f", "Delete"]) assert.equal(press(key, { target }), null);
  }
  for (const key of ["Tab", "Enter", " ", "Escape"]) assert.equal(press(key), null);
});

test("every key's event is one that the state understands", () => {
  const photo = { hash: "a", name: "a", size: [4, 3], frame: [0, 0, 0.5, 1], faces: [], marks: [], findings: [], done: [], labelled: [], labels: {}, set_aside: null };
  const state = ["n", "ArrowLeft"].reduce(
    (before, key) => next(before, press(key)),
    next(next(START, { type: "photos", photos: [photo, { ...photo, hash: "b" }], applied: "" }), { type: "open", hash: "a" }),
  );
  for (const key of ["c", "n", "Delete", "Backspace", "PageDown", "ArrowUp"]) assert.notEqual(next(state, press(key)), state, key);
});
