// Votes: every pair comes once and fairly, sides are chance, and what votes are worth is not flattered.

import assert from "node:assert/strict";
import test from "node:test";

import { chanceOf, idOf, nextTrial, progressOf, tailOf, tallyOf, verdictOf } from "../../web/sweep/votes.js";
import { readKept, writeKept } from "../../web/sweep/kept.js";
import { viewOf } from "./sweep_parts.mjs";

/** All trials of a comparison in order, each answered by `answer(trial)`. */
function played(view, rows, seed, answer = () => "a") {
  const [votes, trials] = [[], []];
  for (let trial = nextTrial(view, rows, votes, seed); trial; trial = nextTrial(view, rows, votes, seed)) {
    trials.push(trial);
    const [a, b] = [trial.a, trial.b].map((row) => idOf(view.rows[row].cells[trial.column].name));
    votes.push({ a, b, better: answer(trial) });
  }
  return { votes, trials };
}

test("every pair of pictures with the person comes once, and none without the person", () => {
  const view = viewOf([1, 2, 3], 6);
  const { trials } = played(view, [1, 2, 3], 7);
  assert.equal(trials.length, 3 * 6);
  const keys = trials.map(({ a, b, column }) => `${Math.min(a, b)} ${Math.max(a, b)} ${column}`);
  assert.equal(new Set(keys).size, trials.length);
  assert.ok(trials.every(({ column }) => !view.columns[column].is_canary));
});

test("at any moment every two rows have come equally often, within one", () => {
  const { trials } = played(viewOf([1, 2, 3], 8), [1, 2, 3], 3);
  const times = new Map();
  for (const { a, b } of trials) {
    const key = [a, b].sort().join();
    times.set(key, (times.get(key) ?? 0) + 1);
    if (times.size === 3) assert.ok(Math.max(...times.values()) - Math.min(...times.values()) <= 1);
  }
});

test("the same seed gives the same order, another seed another one", () => {
  const view = viewOf([1, 2], 12);
  const order = (seed) => JSON.stringify(played(view, [1, 2], seed).trials);
  assert.equal(order(5), order(5));
  assert.notEqual(order(5), order(6));
});

test("each row is on the left about half of the time", () => {
  const view = viewOf([1, 2], 40);
  const left = Array.from({ length: 50 }, (_, seed) => played(view, [1, 2], seed).trials).flat().filter(({ a }) => a === 1).length;
  assert.ok(Math.abs(left - 1000) < 4 * Math.sqrt(2000 / 4), String(left));
});

test("chance is even over its range", () => {
  const numbers = Array.from({ length: 4000 }, (_, index) => chanceOf(`text ${index}`));
  const tenths = Array.from({ length: 10 }, (_, at) => numbers.filter((each) => Math.floor(each * 10) === at).length);
  assert.ok(Math.min(...tenths) > 320 && Math.max(...tenths) < 480, String(tenths));
});

test("who always likes one row better makes it win all its votes, on whichever side it was", () => {
  const view = viewOf([1, 2], 6);
  const { votes } = played(view, [1, 2], 11, ({ a }) => (a === 2 ? "a" : "b"));
  assert.deepEqual(tallyOf(view, votes), [
    { wins: 0, losses: 0, equals: 0 }, { wins: 0, losses: 6, equals: 0 }, { wins: 6, losses: 0, equals: 0 },
  ]);
  const verdict = verdictOf(tallyOf(view, votes));
  assert.equal(verdict.row, 2);
  assert.ok(Math.abs(verdict.chance - 2 / 64) < 1e-12 && verdict.isSure);
});

test("the tail of a fair coin is exact", () => {
  assert.equal(tailOf(0, 0), 1);
  const close = (found, wanted) => assert.ok(Math.abs(found - wanted) < 1e-9, `${found} ${wanted}`);
  close(tailOf(0, 9), 1);
  close(tailOf(7, 10), (120 + 45 + 10 + 1) / 1024);
  close(tailOf(10, 10), 1 / 1024);
  for (const wins of [900, 1000, 1030]) close(tailOf(wins, 2000) + tailOf(2001 - wins, 2000), 1); // heads or tails
});

test("five to nothing is not yet sure, six to nothing between two is, among four it is not", () => {
  const tally = (...wins) => wins.map(([won, lost]) => ({ wins: won, losses: lost, equals: 3 }));
  assert.equal(verdictOf(tally([5, 0], [0, 5])).isSure, false);
  assert.equal(verdictOf(tally([6, 0], [0, 6])).isSure, true);
  assert.equal(verdictOf(tally([6, 0], [1, 3], [1, 3], [1, 3])).isSure, false);
  assert.equal(verdictOf(tally([0, 0])), null);
});

test("where nobody is better, a lead is called sure in no more than one of twenty tests", () => {
  const view = viewOf([1, 2, 3], 10);
  let sure = 0;
  for (let seed = 0; seed < 400; seed += 1) {
    const { votes } = played(view, [1, 2, 3], seed, ({ a, b, column }) => (chanceOf(`coin ${seed} ${a} ${b} ${column}`) < 0.5 ? "a" : "b"));
    sure += verdictOf(tallyOf(view, votes)).isSure;
  }
  assert.ok(sure <= 30, `${sure} of 400`);
});

test("votes about pictures of another training do not count, and are kept", () => {
  const view = viewOf([1, 2], 4);
  const { votes } = played(view, [1, 2], 1);
  const others = votes.map((vote) => ({ ...vote, a: "zzzzzzzzzzzz" }));
  assert.deepEqual(progressOf(view, [1, 2], [...others, votes[0]]), { done: 1, total: 4 });
});

test("pictures that are one and the same are not compared", () => {
  const view = viewOf([1, 2], 4);
  view.rows[2].cells = view.rows[1].cells;
  assert.equal(nextTrial(view, [1, 2], [], 1), null);
});

test("what is kept in the workflow is read as it was written, and anything else is nothing", () => {
  const whole = { file: { filename: "v.json", subfolder: "s", type: "output" }, seed: 3, votes: [{ a: "x", b: "y", better: "equal" }] };
  assert.deepEqual(readKept(JSON.parse(JSON.stringify(writeKept(whole)))), whole);
  const none = { file: null, seed: null, votes: [] };
  for (const other of [undefined, null, "text", 3, [], {}, { version: 2, votes: [1] }, { version: 1, file: 3, votes: {} }]) {
    assert.deepEqual(readKept(other), none);
  }
  assert.deepEqual(readKept({ version: 1, votes: [{ a: 1 }, null, { a: "x", b: "y", better: "maybe" }] }), none);
  assert.deepEqual(writeKept(none), { version: 1 });
});
