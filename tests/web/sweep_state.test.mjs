// State of the sweep viewer: moving among pictures, choosing, comparing; nothing leads out of the view.

import assert from "node:assert/strict";
import test from "node:test";

import { blindEvent, gridStep, largeEvent } from "../../web/sweep/keys.js";
import * as viewer from "../../web/sweep/state.js";
import { inSight, scrollFor } from "../../web/sweep/window.js";
import { viewOf } from "./sweep_parts.mjs";

const MARKS = { 2: "recommended", 3: "runner_up" };
const SHOWN = viewer.next(viewer.START, { type: "view", view: viewOf([1, 2, 3], 4, MARKS) });

const after = (state, ...events) => events.reduce(viewer.next, state);

test("before there is a view, only a view, a choice and votes mean anything", () => {
  for (const type of ["open", "choose", "size", "tally", "begin", "vote", "unvote", "move", "beside", "forget", "close"]) {
    const next = viewer.next(viewer.START, { type, row: 0, column: 0, choice: "1", size: "large" });
    assert.deepEqual(next, viewer.START);
  }
  assert.equal(viewer.next(viewer.START, { type: "choice", text: " 3 " }).choice, "3");
});

test("arrow keys go from picture to picture and stop at the rims", () => {
  let state = after(SHOWN, { type: "open", row: 0, column: 0 });
  assert.equal(viewer.next(state, { type: "move", dx: -1 }), state);
  assert.equal(viewer.next(state, { type: "move", dy: -1 }), state);
  for (let step = 0; step < 9; step += 1) state = after(state, { type: "move", dx: 1 }, { type: "move", dy: 1 });
  assert.deepEqual([state.row, state.column], [3, 4]);
  assert.equal(after(state, { type: "close" }).tag, "grid");
  assert.deepEqual(after(state, { type: "close" }), SHOWN);
});

test("a picture is never put beside itself", () => {
  let state = after(SHOWN, { type: "open", row: 1, column: 0 }, { type: "beside", row: 1 });
  assert.equal(state.beside, null);
  state = after(state, { type: "beside", row: 2 }, { type: "move", dy: 1 });
  assert.deepEqual([state.row, state.beside], [3, 2]);
  state = after(state, { type: "move", dy: -1 });
  assert.deepEqual([state.row, state.beside], [1, 2]);
  const atRim = after(SHOWN, { type: "open", row: 1, column: 0 }, { type: "beside", row: 0 });
  assert.equal(viewer.next(atRim, { type: "move", dy: -1 }), atRim);
});

test("what is no place opens nothing", () => {
  for (const place of [{ row: -1, column: 0 }, { row: 0, column: 5 }, { row: 4, column: 0 }, { row: NaN, column: 0 }, {}]) {
    assert.equal(viewer.next(SHOWN, { type: "open", ...place }), SHOWN);
  }
});

test("a new run keeps the open picture where it still is, and closes it where it is not", () => {
  const state = after(SHOWN, { type: "open", row: 3, column: 1 }, { type: "beside", row: 1 });
  const fewer = after(state, { type: "view", view: viewOf([2, 3], 8) });
  assert.deepEqual([fewer.tag, fewer.row, fewer.column, fewer.beside], ["large", 2, 1, null]);
  assert.equal(after(state, { type: "view", view: viewOf([1, 2], 4) }).tag, "grid");
});

test("a checkpoint is chosen by its step, the untrained model and unknown steps are not", () => {
  const chosen = after(SHOWN, { type: "choose", choice: "3" });
  assert.deepEqual([chosen.choice, viewer.chosenRows(chosen), viewer.isWaiting(chosen)], ["3", [3], true]);
  for (const choice of [null, "4", ""]) assert.equal(viewer.next(SHOWN, { type: "choose", choice }), SHOWN);
  const back = after(chosen, { type: "choose", choice: "recommended" });
  assert.deepEqual([viewer.chosenRows(back), viewer.isWaiting(back)], [[2], false]);
});

test("a choice typed by hand that is no checkpoint names no row", () => {
  assert.deepEqual(viewer.chosenRows(after(SHOWN, { type: "choice", text: "999" })), []);
  assert.equal(after(SHOWN, { type: "choice", text: "" }).choice, "recommended");
});

test("the two best take part in a blind test until the user says otherwise", () => {
  assert.deepEqual(viewer.takingRows(SHOWN), [2, 3]);
  const unmarked = after(viewer.START, { type: "view", view: viewOf([1, 2, 3], 4) });
  assert.deepEqual(viewer.takingRows(unmarked), [2, 3]);
  const taken = after(SHOWN, { type: "tally" }, { type: "take", key: "1@0.8", value: true }, { type: "take", key: "3@0.8", value: false });
  assert.deepEqual(viewer.takingRows(taken), [1, 2]);
});

test("a blind test ends when all pairs are compared, and the last vote can be taken back", () => {
  let state = after(SHOWN, { type: "tally" }, { type: "begin", seed: 5 });
  assert.deepEqual([state.tag, state.seed], ["blind", 5]);
  const trial = viewer.trialOf(state);
  state = after(state, { type: "vote", better: "a" }, { type: "unvote" });
  assert.deepEqual(viewer.trialOf(state), trial);
  for (let vote = 0; vote < 4; vote += 1) state = after(state, { type: "vote", better: "equal" });
  assert.deepEqual([state.tag, state.votes.length], ["tally", 4]);
  assert.equal(viewer.next(state, { type: "begin", seed: 6 }), state);
  assert.deepEqual(after(state, { type: "forget" }).votes, []);
});

test("a single row is not compared, and an answer that is none is not counted", () => {
  const one = after(SHOWN, { type: "tally" }, { type: "take", key: "3@0.8", value: false });
  assert.equal(viewer.next(one, { type: "begin", seed: 1 }), one);
  const blind = after(SHOWN, { type: "tally" }, { type: "begin", seed: 1 });
  assert.equal(viewer.next(blind, { type: "vote", better: "c" }), blind);
});

test("votes of another training stay when one of this is taken back", () => {
  const other = { a: "gone", b: "gone too", better: "a" };
  const state = after(SHOWN, { type: "kept", seed: 1, votes: [other] }, { type: "unvote" });
  assert.deepEqual(state.votes, [other]);
});

test("no run of events leads to a place outside the view", () => {
  const random = (seed) => () => ((seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31);
  for (let seed = 1; seed < 60; seed += 1) {
    const chance = random(seed);
    const pick = (list) => list[Math.floor(chance() * list.length)];
    let state = SHOWN;
    for (let step = 0; step < 60; step += 1) {
      const at = () => Math.floor(chance() * 8) - 2;
      state = viewer.next(state, pick([
        { type: "open", row: at(), column: at() }, { type: "move", dx: at(), dy: 0 }, { type: "move", dx: 0, dy: pick([-1, 1]) },
        { type: "beside", row: pick([null, at()]) }, { type: "close" }, { type: "tally" }, { type: "begin", seed },
        { type: "vote", better: pick(["a", "b", "equal"]) }, { type: "unvote" }, { type: "take", key: pick(["1@0.8", "2@0.8", "3@0.8"]), value: chance() < 0.5 },
        { type: "view", view: viewOf(pick([[1], [1, 2], [1, 2, 3], [2, 3]]), pick([1, 2, 4]), MARKS) }, { type: "choose", choice: pick(["1", "2", "9"]) },
      ]));
      if (state.tag === "large") {
        assert.ok(state.view.rows[state.row] && state.view.columns[state.column] && state.beside !== state.row);
        assert.ok(state.beside === null || state.view.rows[state.beside]);
      }
      if (state.tag === "blind") assert.ok(viewer.trialOf(state));
    }
  }
});

test("keys: arrows move, a held key votes once, letters with Control are the browser's", () => {
  assert.deepEqual(gridStep({ key: "ArrowLeft" }, 3), { dx: -1, dy: 0 });
  assert.deepEqual(gridStep({ key: "PageDown" }, 3), { dx: 0, dy: 3 });
  assert.equal(gridStep({ key: "ArrowLeft", ctrlKey: true }, 3), null);
  assert.deepEqual(largeEvent({ key: "ArrowUp" }), { type: "move", dx: 0, dy: -1 });
  assert.equal(largeEvent({ key: "ArrowUp", target: { tagName: "SELECT" } }), null);
  assert.deepEqual(blindEvent({ key: "A" }), { type: "vote", better: "a" });
  assert.equal(blindEvent({ key: "b", repeat: true }), null);
  assert.equal(blindEvent({ key: "a", ctrlKey: true }), null);
  assert.deepEqual(blindEvent({ key: "z", metaKey: true }), { type: "unvote" });
});

test("of a long line only what is in sight is drawn, wherever one has scrolled to", () => {
  for (let scroll = 0; scroll < 2000; scroll += 37) {
    const [first, end] = inSight(scroll, 300, 50, 60, 2);
    assert.ok(end - first <= 6 + 2 + 2 + 1 && first >= 0 && end <= 60);
    const seen = (index) => index * 50 < scroll + 300 && (index + 1) * 50 > scroll && index < 60;
    for (let index = 0; index < 60; index += 1) if (seen(index)) assert.ok(index >= first && index < end);
    const target = (scroll / 37) % 60;
    const to = scrollFor(target, scroll, 300, 50);
    assert.ok(to <= target * 50 && to + 300 >= (target + 1) * 50);
  }
});
