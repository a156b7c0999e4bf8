// Points of the loss curve: bounded, without losing the mean or the extremes.

import assert from "node:assert/strict";
import test from "node:test";

import { append, before, firstStep, halved, indexOf, lastStep, MAX_POINTS, NO_POINTS, pointsOf, smoothed } from "../../web/training/points.js";
import { lossAt } from "./training_parts.mjs";

const range = (first, last) => Array.from({ length: last - first + 1 }, (_, index) => first + index);
const with_ = (points, first, last) => append(points, range(first, last), range(first, last).map(lossAt), range(first, last).map(() => 1e-4));
const mean = ({ loss, per, held }) => loss.reduce((sum, value, index) => sum + value * (index === loss.length - 1 ? held : per), 0) / ((loss.length - 1) * per + held);
const near = (one, other) => assert.ok(Math.abs(one - other) < 1e-9, `${one} and ${other}`);

test("a hundred thousand steps are at most so many points, with the same mean and extremes", () => {
  let points = NO_POINTS;
  for (let step = 1; step <= 100_000; step += 500) points = with_(points, step, step + 499);
  const losses = range(1, 100_000).map(lossAt);
  assert.ok(points.step.length <= MAX_POINTS && points.step.length > MAX_POINTS / 2);
  assert.equal(lastStep(points), 100_000);
  assert.equal(firstStep(points), 1);
  near(mean(points), losses.reduce((sum, loss) => sum + loss, 0) / losses.length);
  near(Math.min(...points.lowest), Math.min(...losses));
  near(Math.max(...points.highest), Math.max(...losses));
});

test("joining pairs and adding a step give the same in either order", () => {
  for (const count of [5, 6, 7, 8]) {
    const points = halved(with_(NO_POINTS, 1, count));
    const one = halved(with_(points, count + 1, count + 2));
    const other = halved(halved(with_(NO_POINTS, 1, count + 2)));
    assert.deepEqual([one.step, one.per, one.held], [other.step, other.per, other.held]);
    one.loss.forEach((loss, index) => near(loss, other.loss[index]));
  }
});

test("steps that are there already change nothing", () => {
  const points = with_(NO_POINTS, 1, 10);
  assert.equal(with_(points, 3, 10), points);
  assert.deepEqual(with_(points, 8, 12), with_(NO_POINTS, 1, 12));
});

test("the server's curve goes on as if it had been watched", () => {
  const watched = with_(NO_POINTS, 1, 7);
  const { step, loss, lowest, highest, rate } = watched;
  const read = pointsOf({ steps_per_point: 1, num_steps: 7, step, loss, lowest, highest, learning_rate: rate });
  assert.deepEqual(with_(read, 8, 9), with_(watched, 8, 9));
  const coarse = halved(halved(watched));
  const again = pointsOf({ steps_per_point: 4, num_steps: 7, step: coarse.step, loss: coarse.loss, lowest: coarse.lowest, highest: coarse.highest, learning_rate: coarse.rate });
  assert.deepEqual(again, coarse);
  assert.deepEqual(with_(again, 8, 9).step, [4, 8, 9]);
});

test("a run that goes back loses what it makes anew", () => {
  const points = with_(NO_POINTS, 1, 10);
  assert.deepEqual(before(points, 6), with_(NO_POINTS, 1, 5));
  assert.equal(before(points, 11), points);
  assert.equal(lastStep(before(points, 1)), 0);
  assert.equal(lastStep(before(halved(points), 6)), 4);
});

test("every step is found in the point that has it", () => {
  const points = halved(with_(NO_POINTS, 1, 9));
  assert.deepEqual(range(1, 9).map((step) => indexOf(points, step)), [0, 0, 1, 1, 2, 2, 3, 3, 4]);
  assert.equal(indexOf(points, 99), 4);
  assert.equal(indexOf(NO_POINTS, 3), -1);
});

test("smoothing keeps what is flat, and none keeps everything", () => {
  assert.deepEqual(smoothed([2, 2, 2, 2], 0.5), [2, 2, 2, 2]);
  assert.deepEqual(smoothed([1, 2, 3], 0), [1, 2, 3]);
  assert.deepEqual(smoothed([], 0.05), []);
  const even = smoothed(range(1, 400).map(lossAt), 0.15);
  const jumps = (values) => values.slice(1).reduce((sum, value, index) => sum + Math.abs(value - values[index]), 0);
  assert.ok(jumps(even) < jumps(range(1, 400).map(lossAt)) / 10);
});
