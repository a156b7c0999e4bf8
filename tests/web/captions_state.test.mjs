// The caption editor's state: what typing, fixing, finding and replacing make of the edits, and that nothing is lost.

import assert from "node:assert/strict";
import test from "node:test";

import { readEdits } from "../../web/captions/edits.js";
import * as editor from "../../web/captions/state.js";

const row = (number, more = {}) => ({
  hash: `h${number}`, name: `${number}.jpg`, thumb: null, caption: "a photo of Mila", plain: "a photo of Mila",
  origin: "template", feature: "", faceless: false, face: true, edited: false, ...more,
});
const FINDINGS = [
  { kind: "nameless", text: "…", photos: ["h1", "h2"], fixes: [{ label: "Put Mila in", edits: { h1: { caption: "Mila 1" }, h2: { caption: "Mila 2" } } }] },
  { kind: "long", text: "…", photos: ["h2"], fixes: [] },
];
const output = (rows, findings = [], applied = "") => ({ type: "output", rows, findings, applied });
const run = (state, ...events) => events.reduce(editor.next, state);
const rows = [1, 2, 3].map((number) => row(number));
const start = run(editor.START, output(rows, FINDINGS));
const typed = (hash, text) => ({ type: "caption", hash, text });
const edits = (state) => JSON.parse(editor.textOf(state) || '{"photos":{}}').photos;

test("a typed caption is kept by content, with the photo's name", () => {
  const state = run(start, typed("h1", "Mila at the sea"));
  assert.deepEqual(edits(state), { h1: { name: "1.jpg", caption: "Mila at the sea" } });
  assert.equal(editor.captionOf(state, rows[0]), "Mila at the sea");
  assert.ok(editor.isWaiting(state, "h1") && !editor.isWaiting(state, "h2") && editor.anyWaiting(state));
});

test("typing the automatic caption, or nothing, takes the edit away", () => {
  for (const text of ["a photo of Mila", "  ", ""]) {
    assert.equal(editor.textOf(run(start, typed("h1", "x"), typed("h1", text))), "");
  }
});

test("line breaks become blanks, and a blank at the end may be typed", () => {
  assert.equal(edits(run(start, typed("h1", "a\nb "))).h1.caption, "a b ");
});

test("the letters of one caption are undone as one, those of two are not", () => {
  const state = run(start, typed("h1", "a"), typed("h1", "ab"), typed("h2", "c"), typed("h1", "abc"));
  const back = ["ab", "c"].length;
  assert.equal(state.past.length, 1 + back);
  assert.equal(editor.textOf(run(state, ...Array(3).fill({ type: "undo" }))), "");
  assert.deepEqual(edits(run(state, { type: "undo" }, { type: "redo" })), edits(state));
  assert.equal(run(start, typed("h1", "a"), { type: "settle" }, typed("h1", "ab")).past.length, 2);
});

test("the canvas's own undo walks the same history", () => {
  const state = run(start, typed("h1", "a"), typed("h2", "b"));
  const undone = run(state, { type: "undo" });
  assert.deepEqual(run(state, { type: "loaded", text: editor.textOf(undone) }), undone);
});

test("a fix is one step for all its photos, and is known to be done", () => {
  const [fix] = FINDINGS[0].fixes;
  const state = run(start, { type: "fix", fix });
  assert.deepEqual(Object.values(edits(state)).map(({ caption }) => caption), ["Mila 1", "Mila 2"]);
  assert.ok(editor.isFixed(state, fix) && !editor.isFixed(start, fix));
  assert.equal(editor.textOf(run(state, { type: "undo" })), "");
});

test("filters count what they show", () => {
  assert.deepEqual(editor.kindsOf(start), [{ kind: "nameless", count: 2 }, { kind: "long", count: 1 }]);
  const names = (filter) => editor.shown(start, filter).map(({ hash }) => hash);
  assert.deepEqual([names("all"), names("findings"), names("long"), names("edited")], [["h1", "h2", "h3"], ["h1", "h2"], ["h2"], []]);
  assert.equal(editor.shown(run(start, { type: "search", text: "3.JPG" })).length, 1);
  assert.equal(run(start, { type: "filter", filter: "long" }, output(rows)).filter, "all");
});

test("find and replace changes what is shown, in one step, and nothing else", () => {
  const replacing = (find, by, matchCase = false) => ({ type: "replacing", fields: { find, by, matchCase } });
  const open = run(start, { type: "openReplacing" }, replacing("PHOTO of", "portrait of"));
  assert.equal(editor.replacements(open).changes.length, 3);
  assert.equal(editor.replacements(run(open, replacing("PHOTO", "x", true))).changes.length, 0);
  const state = run(open, { type: "filter", filter: "long" }, { type: "replaceAll" });
  assert.deepEqual(edits(state), { h2: { name: "2.jpg", caption: "a portrait of Mila" } });
  assert.equal(state.past.length, 1);
  const odd = run(start, { type: "openReplacing" }, replacing("(", "$&"), typed("h1", "Mila (1)"), { type: "replaceAll" });
  assert.equal(edits(odd).h1.caption, "Mila $&1)");
});

test("edits of photos that are not here stay until they are forgotten", () => {
  const text = JSON.stringify({ version: 1, photos: { gone: { name: "old.jpg", caption: "Mila then" } } });
  const state = run(start, { type: "loaded", text }, typed("h1", "now"));
  assert.deepEqual(editor.strangers(state), ["gone"]);
  assert.ok("gone" in edits(state));
  assert.deepEqual(Object.keys(edits(run(state, { type: "forgetStrangers" }))), ["h1"]);
});

test("text that is no edits is left alone until it is cleared", () => {
  const state = run(start, { type: "loaded", text: "{oops" }, typed("h1", "x"), { type: "undo" });
  assert.equal(editor.textOf(state), "{oops");
  assert.equal(editor.textOf(run(state, { type: "clear" })), "");
  for (const text of ['{"version":2,"photos":{}}', '{"version":1,"photos":{"h":{"caption":3}}}', "[]"]) {
    assert.equal(readEdits(text), null);
  }
});

test("after a run the captions are the run's, and nothing waits", () => {
  const edited = run(start, typed("h1", "Mila at the sea"));
  const after = run(edited, output([row(1, { caption: "Mila at the sea", origin: "edit" }), ...rows.slice(1)], [], editor.textOf(edited)));
  assert.ok(!editor.anyWaiting(after));
  assert.equal(editor.captionOf(after, after.rows[0]), "Mila at the sea");
  assert.equal(editor.captionOf(run(after, { type: "restore", hash: "h1" }), after.rows[0]), "a photo of Mila");
});

test("going back to the words of a caption with something unusual leaves no edit by hand", () => {
  const said = { h1: { name: "1.jpg", feature: "ponytail" } };
  const text = JSON.stringify({ version: 1, photos: said });
  const shownCaption = "a photo of Mila with ponytail";
  const ran = run(start, { type: "loaded", text }, output([row(1, { caption: shownCaption, feature: "ponytail" })], [], text));
  const typedOver = run(ran, typed("h1", "x"));
  assert.equal(editor.captionOf(typedOver, ran.rows[0]), "x");
  assert.deepEqual(edits(run(typedOver, typed("h1", shownCaption))), said);
  assert.equal(editor.captionOf(run(typedOver, typed("h1", "")), ran.rows[0]), shownCaption);
});

test("copies of one photo are rows of their own, and share what is said", () => {
  const twice = run(start, output([row(1), row(2), { ...row(1), name: "copy.jpg" }]), typed("h1", "x"));
  assert.equal(new Set(twice.rows.map(({ key }) => key)).size, 3);
  assert.deepEqual(twice.rows.map((each) => editor.captionOf(twice, each) === "x"), [true, false, true]);
});

test("a blank at an end is no match of find and replace", () => {
  const state = run(start, typed("h1", "Mila "), { type: "openReplacing" }, { type: "replacing", fields: { find: "zebra" } });
  assert.deepEqual(editor.replacements(state), { changes: [], places: 0 });
});

test("whether there is a face and what is unusual are said without touching the caption", () => {
  const state = run(start, { type: "faceless", hash: "h1", value: true }, { type: "feature", hash: "h1", text: " ponytail " });
  assert.deepEqual(edits(state).h1, { name: "1.jpg", feature: "ponytail", faceless: true });
  const back = run(state, { type: "faceless", hash: "h1", value: null }, { type: "feature", hash: "h1", text: "" });
  assert.equal(editor.textOf(back), "");
});

test("what is written is read back equal, and later versions' fields are kept", () => {
  const text = '{"version":1,"photos":{"h1":{"name":"1.jpg","caption":"小美","faceless":false,"later":7}}}';
  assert.equal(editor.textOf(run(start, { type: "loaded", text })), text);
});
