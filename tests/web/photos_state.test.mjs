// The photo editor's state: laws of edits, crops and history, and that no order of events makes it invalid.

import assert from "node:assert/strict";
import test from "node:test";

import { area, isBox, isPoint } from "../../web/photos/boxes.js";
import { placeOf } from "../../web/photos/compare_view.js";
import { readEdits } from "../../web/photos/edits.js";
import { writeEdits } from "../../web/shared/edits_text.js";
import * as editor from "../../web/photos/state.js";

const REACH = [0.02, 0.02];

function photo(number, fields = {}) {
  return {
    hash: String(number).repeat(64), name: `照片 ${number}.jpg`, size: [4000, 3000], frame: [0.1, 0, 0.9, 1],
    faces: [[0.2, 0.2, 0.4, 0.5], [0.6, 0.2, 0.7, 0.35]], subject: 0, marks: [], findings: [], done: [], labelled: [],
    labels: { shot: "medium", pose: "front", expression: "unknown", manner: "unknown" }, set_aside: null, ...fields,
  };
}

const PHOTOS = [photo(1), photo(2, { set_aside: { reason: "blurred", by_hand: false } }), photo(3, { faces: [], subject: null })];
const SHOWN = editor.next(editor.START, { type: "photos", photos: PHOTOS, applied: "" });

const after = (state, ...events) => events.reduce(editor.next, state);
const opened = (number, tool) => after(SHOWN, { type: "open", hash: PHOTOS[number - 1].hash }, { type: "tool", tool });
const editOf = (state, number) => editor.editOf(state, PHOTOS[number - 1].hash);

function drag(from, to) {
  return [
    { type: "press", x: from[0], y: from[1], reach: REACH },
    { type: "drag", x: to[0], y: to[1] },
    { type: "release" },
  ];
}

/** Numbers that look random and are the same every time (Park and Miller). */
function numbers(seed) {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

function anyEvent(random) {
  const hash = random() < 0.05 ? "gone" : PHOTOS[Math.floor(random() * 3)].hash;
  const share = () => random() * 1.4 - 0.2;
  const label = ["shot", "pose", "expression", "manner"][Math.floor(random() * 4)];
  const events = [
    { type: "photos", photos: PHOTOS.slice(0, Math.floor(random() * 4)), applied: "" },
    { type: "photos", photos: PHOTOS, applied: writeEdits({ [hash]: { name: "a", crop: [0, 0, 1, 1] } }) },
    { type: "open", hash }, { type: "open", hash }, { type: "close" }, { type: "step", by: random() < 0.5 ? 1 : -1 },
    { type: "tool", tool: editor.TOOLS[Math.floor(random() * 3)] }, { type: "tool", tool: "crop" }, { type: "tool", tool: "mark" },
    { type: "filter", filter: editor.FILTERS[Math.floor(random() * 5)] },
    { type: "use", hash, value: random() < 0.5 }, { type: "label", hash, label, value: random() < 0.5 ? "unknown" : "" },
    { type: "press", x: share(), y: share(), reach: REACH }, { type: "press", x: share(), y: share(), reach: REACH },
    { type: "drag", x: share(), y: share() }, { type: "drag", x: share(), y: share() }, { type: "release" }, { type: "cancel" },
    { type: "nudge", dx: share() - 0.5, dy: share() - 0.5, grow: random() < 0.5 },
    { type: "addMark" }, { type: "deleteMark" }, { type: "mark", index: Math.floor(random() * 3) }, { type: "resetCrop" },
    { type: "face", index: Math.floor(random() * 3) }, { type: "noFace", value: random() < 0.5 },
    { type: "undo" }, { type: "undo" }, { type: "redo" }, { type: "restore", hash }, { type: "clear" },
    { type: "loaded", text: random() < 0.3 ? "{" : "" }, { type: "unheard of" },
  ];
  return events[Math.floor(random() * events.length)];
}

function assertValid(state) {
  assert.ok(["unreadable", "grid", "open"].includes(state.tag));
  if (state.tag === "unreadable") return;
  for (const edits of [state.edits, ...state.past, ...state.future]) {
    assert.deepEqual(readEdits(writeEdits(edits)), edits);
    for (const { name, ...said } of Object.values(edits)) {
      assert.ok(typeof name === "string" && Object.keys(said).length > 0, "an entry that says nothing");
      assert.ok(!said.crop || (isBox(said.crop) && area(said.crop) > 0));
      assert.ok((said.marks ?? []).every(isBox) && said.marks?.length !== 0);
      assert.ok(!said.face || (isPoint(said.face) && !said.no_face));
    }
  }
  if (state.tag === "grid") return;
  assert.ok(editor.photoOf(state, state.hash) && editor.TOOLS.includes(state.tool));
  assert.ok(state.mark === null || editor.editOf(state, state.hash).marks?.[state.mark]);
  assert.ok(!state.drag?.box || isBox(state.drag.box));
  assert.ok(isBox(editor.cropOf(state, editor.photoOf(state, state.hash))));
}

test("events in any order keep a valid state whose edits survive the workflow file", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = numbers(seed * 7919);
    let state = SHOWN;
    for (let count = 0; count < 300; count++) {
      state = editor.next(state, anyEvent(random));
      assertValid(state);
    }
  }
});

test("undo restores every step, and redo brings every step back", () => {
  const random = numbers(42);
  let state = SHOWN;
  const texts = [""];
  while (texts.length < 60) {
    const event = anyEvent(random);
    if (["undo", "redo", "loaded", "photos", "nudge"].includes(event.type)) continue;
    state = editor.next(state, event);
    if (editor.textOf(state) !== texts.at(-1)) texts.push(editor.textOf(state));
  }
  for (const text of texts.toReversed()) {
    assert.equal(editor.textOf(state), text);
    state = editor.next(state, { type: "undo" });
  }
  for (const text of texts.slice(1)) {
    state = editor.next(state, { type: "redo" });
    assert.equal(editor.textOf(state), text);
  }
});

test("looking at photos leaves no entry", () => {
  const looked = after(
    opened(1, "crop"), { type: "press", x: 0.5, y: 0.5, reach: REACH }, { type: "release" }, { type: "tool", tool: "mark" },
    { type: "press", x: 0.5, y: 0.5, reach: REACH }, { type: "cancel" }, { type: "tool", tool: "face" },
    { type: "press", x: 0.9, y: 0.9, reach: REACH }, { type: "step", by: 1 }, { type: "close" }, { type: "filter", filter: "aside" },
  );
  assert.equal(editor.textOf(looked), "");
});

test("what is said and taken back leaves no entry", () => {
  const hash = PHOTOS[0].hash;
  const pairs = [
    [{ type: "use", hash, value: false }, { type: "use", hash, value: true }],
    [{ type: "use", hash: PHOTOS[1].hash, value: true }, { type: "use", hash: PHOTOS[1].hash, value: false }],
    [{ type: "label", hash, label: "pose", value: "back" }, { type: "label", hash, label: "pose", value: "" }],
    [{ type: "noFace", value: true }, { type: "noFace", value: false }],
    [{ type: "addMark" }, { type: "deleteMark" }],
    [{ type: "nudge", dx: -0.05, dy: 0 }, { type: "resetCrop" }],
    [{ type: "face", index: 1 }, { type: "restore", hash }],
  ];
  for (const [said, takenBack] of pairs) {
    const state = editor.next(opened(1, "crop"), said);
    assert.notEqual(editor.textOf(state), "", said.type);
    assert.equal(editor.textOf(editor.next(state, takenBack)), "", said.type);
  }
});

test("a photo set aside is taken back, and a photo that is used is left out", () => {
  const state = after(SHOWN, { type: "use", hash: PHOTOS[1].hash, value: true }, { type: "use", hash: PHOTOS[0].hash, value: false });
  assert.deepEqual(editOf(state, 2), { name: "照片 2.jpg", use: true });
  assert.deepEqual(editOf(state, 1), { name: "照片 1.jpg", use: false });
  assert.deepEqual(PHOTOS.map((each) => editor.isOut(state, each)), [true, false, false]);
  assert.ok(editor.anyWaiting(state) && editor.isWaiting(state, PHOTOS[0].hash) && !editor.isWaiting(state, PHOTOS[2].hash));
  const ran = editor.next(state, {
    type: "photos",
    photos: [photo(1, { set_aside: { reason: "by you", by_hand: true } }), photo(2), PHOTOS[2]],
    applied: editor.textOf(state),
  });
  assert.ok(!editor.anyWaiting(ran) && editor.isOut(ran, ran.photos[0]) && !editor.isOut(ran, ran.photos[1]));
  const again = editor.next(ran, { type: "use", hash: PHOTOS[0].hash, value: true });
  assert.ok(!(PHOTOS[0].hash in again.edits) && !editor.isOut(again, again.photos[0]));
});

test("a click on another face makes it the subject's, and a click beside all faces does nothing", () => {
  const press = (x, y) => ({ type: "press", x, y, reach: REACH });
  const clicked = editor.next(opened(1, "face"), press(0.65, 0.3));
  assert.deepEqual(editOf(clicked, 1).face, [0.65, 0.3]);
  assert.equal(editor.subjectOf(clicked, PHOTOS[0]), 1);
  assert.deepEqual(editor.next(clicked, press(0.66, 0.31)), clicked);
  assert.deepEqual(editor.next(clicked, press(0.95, 0.9)), clicked);
  const none = editor.next(clicked, { type: "noFace", value: true });
  assert.deepEqual(editOf(none, 1), { name: "照片 1.jpg", no_face: true });
  assert.equal(editor.subjectOf(none, PHOTOS[0]), -1);
});

test("the crop starts from the automatic one, is moved and resized, and never leaves the picture", () => {
  const moved = after(opened(1, "crop"), ...drag([0.5, 0.5], [0.9, 0.9]));
  assert.deepEqual(editOf(moved, 1).crop, [0.2, 0, 1, 1]);
  const resized = after(moved, ...drag([0.2, 0.5], [0.4, 0.1]));
  assert.deepEqual(editOf(resized, 1).crop, [0.4, 0, 1, 1]);
  const drawn = after(opened(3, "crop"), { type: "resetCrop" }, ...drag([-0.5, 0.4], [2, 0.2]));
  assert.ok(isBox(editOf(drawn, 3).crop));
  const tiny = after(opened(1, "crop"), ...drag([0.02, 0.9], [0.05, 0.91]));
  const [left, top, right, bottom] = editOf(tiny, 1).crop;
  assert.ok(right - left >= editor.LEAST_CROP - 1e-9 && bottom - top >= editor.LEAST_CROP - 1e-9);
});

test("a crop and its moving back and forth by the keyboard is undone in one step", () => {
  const nudges = Array.from({ length: 9 }, () => ({ type: "nudge", dx: 0.01, dy: 0 }));
  const state = after(opened(1, "crop"), ...nudges);
  assert.ok(Math.abs(editOf(state, 1).crop[0] - 0.19) < 1e-9);
  assert.equal(editor.textOf(editor.next(state, { type: "undo" })), "");
});

test("marks are drawn, chosen, moved and deleted one by one", () => {
  const two = after(opened(1, "mark"), ...drag([0.1, 0.1], [0.3, 0.2]), ...drag([0.8, 0.8], [0.9, 0.95]));
  assert.deepEqual(editOf(two, 1).marks, [[0.1, 0.1, 0.3, 0.2], [0.8, 0.8, 0.9, 0.95]]);
  assert.equal(two.mark, 1);
  const moved = after(two, ...drag([0.2, 0.15], [0.25, 0.25]));
  assert.deepEqual(editOf(moved, 1).marks[0], [0.15, 0.2, 0.35, 0.3]);
  assert.deepEqual(editOf(editor.next(moved, { type: "deleteMark" }), 1).marks, [[0.8, 0.8, 0.9, 0.95]]);
});

test("edits of photos that are not here are kept as they are", () => {
  const text = JSON.stringify({ version: 1, photos: { elsewhere: { name: "b.jpg", use: false, labels: { pose: "back" } } } });
  const state = after(SHOWN, { type: "loaded", text }, { type: "label", hash: PHOTOS[0].hash, label: "shot", value: "close-up" });
  assert.deepEqual(JSON.parse(editor.textOf(state)).photos, {
    elsewhere: { name: "b.jpg", use: false, labels: { pose: "back" } },
    [PHOTOS[0].hash]: { name: "照片 1.jpg", labels: { shot: "close-up" } },
  });
});

test("text that is no edits is never overwritten, only cleared", () => {
  for (const text of ["{", "[]", '{"version": 2, "photos": {}}', '{"version": 1, "photos": {"a": {"crop": [1, 0, 0, 1]}}}']) {
    const state = after(SHOWN, { type: "loaded", text }, { type: "use", hash: PHOTOS[0].hash, value: false }, { type: "undo" });
    assert.equal(state.tag, "unreadable");
    assert.equal(editor.textOf(state), text);
    const cleared = editor.next(state, { type: "clear" });
    assert.equal(editor.textOf(cleared), "");
    assert.deepEqual(cleared.photos, PHOTOS);
  }
});

test("the canvas's own undo and redo walk the editor's history", () => {
  const said = after(SHOWN, { type: "use", hash: PHOTOS[0].hash, value: false }, { type: "use", hash: PHOTOS[2].hash, value: false });
  const back = editor.next(said, { type: "loaded", text: editor.textOf(editor.next(said, { type: "undo" })) });
  assert.equal(back.future.length, 1);
  assert.equal(editor.textOf(editor.next(back, { type: "loaded", text: editor.textOf(said) })), editor.textOf(said));
  const other = editor.next(said, { type: "loaded", text: "" });
  assert.deepEqual([other.past, other.future, other.photos], [[], [], PHOTOS]);
});

test("filters show the photos they name", () => {
  const photos = [photo(1, { done: ["cropped"] }), photo(2, { set_aside: { reason: "r", by_hand: false } }), photo(3, { findings: ["soft"] })];
  const state = after(SHOWN, { type: "photos", photos, applied: "" }, { type: "use", hash: photos[2].hash, value: false });
  const names = (filter) => editor.shown(state, filter).map((each) => each.hash[0]).join("");
  assert.deepEqual(editor.FILTERS.map(names), ["123", "1", "23", "3", "3"]);
});

test("a working copy lies over just the part of the photo that it was made from", () => {
  for (const frame of [[0, 0, 1, 1], [0.1, 0, 0.9, 1], [0.5, 0.25, 0.75, 0.5], [-0.1, 0, 1.1, 1]]) {
    const { left, top, width, height } = placeOf(frame);
    const [x, y, wide, high] = [left, top, width, height].map((percent) => Number.parseFloat(percent) / 100);
    const shown = [-x / wide, -y / high, (1 - x) / wide, (1 - y) / high]; // the window, in shares of the photo
    shown.forEach((share, side) => assert.ok(Math.abs(share - frame[side]) < 1e-9, `${frame}: ${shown}`));
  }
});
