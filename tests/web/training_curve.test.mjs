// Geometry and words of the training panel, and what loading settings would change.

import assert from "node:assert/strict";
import test from "node:test";

import { bands, columns, layOut, line, pointAt, scale, stepByKey, ticks } from "../../web/training/curve.js";
import { begin, next as panelNext } from "../../web/training/panel_state.js";
import { append, NO_POINTS } from "../../web/training/points.js";
import { earlierSettings, loading, sideBySide } from "../../web/training/settings.js";
import { clockText, durationText, laneText, rateText, sizeText } from "../../web/training/words.js";
import { speaker } from "../../web/speaker.js";
import { EXAMPLES, lossAt } from "./training_parts.mjs";

const steps = Array.from({ length: 4000 }, (_, index) => index + 1);
const points = append(NO_POINTS, steps, steps.map(lossAt), steps.map(() => 2e-4));
const { validations, phases } = EXAMPLES.run;
const run = { points, validations, phases, totalSteps: 4000 };

test("everything lies within the picture, also where it is as narrow as a node", () => {
  for (const [width, height] of [[300, 200], [280, 160], [1200, 400]]) {
    const laid = layOut(run, width, height, 0.05);
    const drawn = [...columns(points, laid.x, laid.loss.y), ...line(points.step, laid.loss.trend, laid.x, laid.loss.y)];
    for (const [left, ...tops] of drawn) {
      assert.ok(left >= 0 && left <= width && tops.every((top) => top >= laid.loss.top - 1 && top <= laid.loss.bottom + 1));
    }
    assert.ok(laid.validation.top > laid.loss.bottom && laid.validation.bottom <= height);
    assert.ok(drawn.length <= 2 * (width + 2), "as many lines as columns, not as steps");
  }
});

test("the step under the pointer is the one that is drawn there", () => {
  const laid = layOut(run, 400, 240, 0.05);
  for (const step of [1, 1234, 4000]) {
    const found = pointAt(points, laid, laid.x.at(step));
    assert.ok(Math.abs(found.step - step) <= 4000 / 300);
  }
  assert.equal(pointAt(NO_POINTS, laid, 100), null);
});

test("a run without a step or a validation has a picture too", () => {
  const laid = layOut({ points: NO_POINTS, validations: [], phases: [], totalSteps: 0 }, 300, 200, 0.05);
  assert.equal(laid.validation, null);
  assert.ok([laid.x.at(1), laid.loss.y.at(0.5)].every(Number.isFinite));
});

test("ticks are round, within the axis, and not too many", () => {
  assert.deepEqual(ticks(0, 4000, 5), [0, 1000, 2000, 3000, 4000]);
  assert.deepEqual(ticks(0.41, 0.44, 3), [0.41, 0.42, 0.43, 0.44]);
  assert.deepEqual(ticks(1, 1, 5), []);
  for (const [from, to] of [[1, 37], [0.0001, 0.0007], [0, 100_000]]) {
    const found = ticks(from, to, 6);
    assert.ok(found.length >= 2 && found.length <= 7 && found.every((value) => value >= from && value <= to));
  }
});

test("an axis takes a value to its pixel and back", () => {
  const axis = scale(1, 4000, 40, 300);
  for (const value of [1, 77, 4000]) assert.ok(Math.abs(axis.valueAt(axis.at(value)) - value) < 1e-9);
  assert.equal(axis.at(9000), 300);
});

test("the phases are bands side by side", () => {
  const found = bands(phases, scale(1, 4000, 0, 400));
  assert.equal(found.length, 4);
  assert.ok(found.every(({ left, right }) => left < right));
  assert.equal(bands(phases, scale(1, 1500, 0, 400)).length, 2);
});

test("keys walk along the curve and stay on it", () => {
  assert.equal(stepByKey("ArrowLeft", points, 1), 1);
  assert.equal(stepByKey("ArrowRight", points, 7), 8);
  assert.equal(stepByKey("PageUp", points, 1), 201);
  assert.equal(stepByKey("End", points, 7), 4000);
  assert.equal(stepByKey("a", points, 7), null);
  assert.equal(stepByKey("End", NO_POINTS, 7), null);
});

test("settings side by side mark what differs", () => {
  const one = { model: "a", settings: { rank: 64, seed: 7, old: true, empty: "" } };
  const other = { model: "a", settings: { rank: 32, seed: 7, empty: null } };
  const different = sideBySide([one, other]).filter(({ isSame }) => !isSame).map(({ name }) => name);
  assert.deepEqual(different, ["rank", "old"]);
});

test("loading settings sets what there is, and names what it leaves out", () => {
  const shown = { model: "gone.safetensors", runName: "Mila", summary: { state: "finished" }, settings: { rank: 64, seed: 7, lane: "auto", fresh: 1, kept: true } };
  const widget = (name, value, options = null, isWired = false) => ({ name, value, options, isWired });
  const widgets = [widget("model", "b", ["b"]), widget("rank", 32), widget("seed", 1, null, true), widget("lane", "manual", ["auto", "manual"]), widget("kept", true), widget("run_name", "x")];
  assert.deepEqual(loading(shown, widgets), { set: [["rank", 64], ["lane", "auto"]], gone: ["fresh"], refused: ["model"], wired: ["seed"] });
  const stopped = loading({ ...shown, summary: { state: "stopped" } }, widgets);
  assert.deepEqual(stopped.set.at(-1), ["run_name", "Mila"], "a run that is to be gone on with keeps its name");
});

test("what a run was set to before is told step by step, where something differs", () => {
  const earlier = [{ until_step: 60, settings: { total_steps: 60, seed: 7 } }, { until_step: 80, settings: {} }];
  assert.deepEqual(earlierSettings({ earlier }), [{ step: 60, pairs: [["total_steps", 60], ["seed", 7]] }]);
  assert.deepEqual(earlierSettings({}), []);
});

test("a panel begins with the smoothing that was chosen last, if there is such a one", () => {
  assert.equal(begin("much").smoothing, "much");
  assert.equal(begin("enormous").smoothing, "usual");
  assert.equal(begin(undefined).smoothing, "usual");
});

test("a panel marks a few runs, and goes to the one that is picked", () => {
  const marked = Array.from({ length: 8 }, (_, index) => ({ type: "mark", id: `run-${index}` })).reduce(panelNext, begin("usual")).marked;
  assert.equal(marked.length, 6);
  const unmarked = panelNext({ ...begin("usual"), marked }, { type: "mark", id: "run-3" });
  assert.ok(!unmarked.marked.includes("run-3"));
  const picked = panelNext({ ...begin("usual"), tab: "runs", cursor: 7 }, { type: "pick", id: "a" });
  assert.deepEqual([picked.tab, picked.picked, picked.cursor], ["run", "a", null]);
});

test("numbers are said as people read them", () => {
  const [en, zh] = [speaker("en"), speaker("zh")];
  assert.deepEqual([59, 61, 3600 * 2 - 20].map((seconds) => durationText(en, seconds)), ["59 s", "1 min", "2 h 0 min"]);
  assert.equal(durationText(zh, 7007), "1 小时 57 分钟");
  assert.deepEqual([2e-4, 1.5e-5, 0].map(rateText), ["2e-4", "1.5e-5", "0"]);
  assert.deepEqual([170_000_000, 9_100_000_000, 72].map(sizeText), ["162 MB", "8.5 GB", "1 KB"]);
  const lane = "nf4 · recompute 30/30 · offload 12/30";
  assert.deepEqual([en, zh].map((say) => laneText(say, lane)), [lane, "nf4 · 重算 30/30 · 卸载 12/30"]);
  const noon = new Date(2026, 10, 23, 12, 5).getTime() / 1000;
  assert.equal(clockText("en", noon, noon), "12:05");
  assert.match(clockText("zh", noon + 86400, noon), /11月24日/);
});
