// State of the training panel: the same whether watched or read, in any order, for several runs at once.

import assert from "node:assert/strict";
import test from "node:test";

import { runOfNode, runOfPage } from "../../web/training/choice.js";
import { mayAsk } from "../../web/training/head_view.js";
import { next, START } from "../../web/training/state.js";
import { after, answerAfter, EXAMPLES, eventsOf, NOW_S, reading, RUN, told } from "./training_parts.mjs";

const NAMES = EXAMPLES.events.map(({ event }) => event);
const example = (name) => EXAMPLES.events.find(({ event }) => event === name);
const seen = (state, id) => ({ ...state.runs[id], isBehind: false });

/** A page that has watched a run from its start: it reads it when it first hears of it. */
function watched(events, count = events.length) {
  return after([...reading(answerAfter(events.slice(0, 1))), ...events.slice(1, count).map(told)]);
}

test("reading a run in its middle gives the same as having watched it", () => {
  const events = eventsOf("a", 300, { perEvent: 3 });
  for (const count of [1, 2, 40, events.length]) {
    const one = watched(events, count);
    const other = after(reading(answerAfter(events.slice(0, count))));
    assert.deepEqual(seen(one, "a"), seen(other, "a"), `after ${count} events`);
  }
});

test("what is told while a run is read is neither lost nor counted twice", () => {
  const events = eventsOf("a", 200, { perEvent: 3 });
  const whole = seen(watched(events), "a");
  for (const answered of [5, 30, 60]) {
    for (const from of [2, answered - 2, answered]) {
      const state = after(reading(answerAfter(events.slice(0, answered)), events.slice(from)));
      assert.deepEqual(seen(state, "a"), whole, `answered after ${answered}, heard from ${from}`);
    }
  }
});

test("two runs told in turns are each as if alone", () => {
  const [one, other] = [eventsOf("a", 90), eventsOf("bb", 60)];
  const start = after([...reading(answerAfter(one.slice(0, 1))), ...reading(answerAfter(other.slice(0, 1)))]);
  const mixed = one.slice(1).flatMap((event, index) => [event, other[index + 1]].filter(Boolean));
  const state = after(mixed.map(told), start);
  assert.deepEqual(seen(state, "a"), seen(watched(one), "a"));
  assert.deepEqual(seen(state, "bb"), seen(watched(other), "bb"));
});

test("events that come twice or late change nothing", () => {
  const events = eventsOf("a", 60, { perEvent: 2 });
  const once = watched(events);
  const steps = events.filter(({ event }) => event === "StepsDone");
  assert.deepEqual(seen(after([...steps, ...steps.slice(0, 3)].map(told), once), "a"), seen(once, "a"));
  for (const name of ["CheckpointSaved", "PreviewDrawn", "Warned"]) {
    const twice = after([example(name), example(name)].map(told), after(reading(EXAMPLES.run)));
    assert.deepEqual(twice.runs[RUN], after([told(example(name))], after(reading(EXAMPLES.run))).runs[RUN], name);
  }
});

test("a gap in the steps asks for the run again, once", () => {
  const events = eventsOf("a", 60);
  const state = after([told(events[20])], watched(events, 10));
  assert.deepEqual(state.toRead, ["a"]);
  const read = after(reading(answerAfter(events.slice(0, 20)), events.slice(22, 24)), state);
  assert.deepEqual(read.toRead, [], "no reading after reading where the server has no more");
});

test("a run that goes on from an earlier step is drawn anew from there", () => {
  const state = after(eventsOf("a", 80, { first: 41 }).map(told), watched(eventsOf("a", 60)));
  assert.equal(state.runs.a.points.step.length, 80);
  assert.equal(state.runs.a.summary.step, 80);
  assert.deepEqual(state.runs.a.validations.map(({ step }) => step), [50]);
});

test("every example is understood, and what we do not know is passed over", () => {
  const known = after(reading(EXAMPLES.run));
  for (const event of EXAMPLES.events) assert.ok(next(known, told(event)), event.event);
  const foreign = { event: "Swept", node: "3", run: RUN };
  assert.equal(next(known, told(foreign)), known);
  assert.ok(NAMES.length >= 14);
});

test("each way of ending is shown, and then the run is read again", () => {
  const ends = { Stopped: "stopped", Finished: "finished", Failed: "failed", Interrupted: "interrupted" };
  for (const [name, state] of Object.entries(ends)) {
    const page = after([{ type: "listed", runs: EXAMPLES.runs.runs }, ...reading(EXAMPLES.run), told(example(name))]);
    assert.equal(page.runs[RUN].summary.state, state);
    assert.equal(page.list[0].state, state);
    assert.equal(page.runs[RUN].live, null);
    assert.deepEqual(page.toRead, [RUN]);
  }
  const failed = after([...reading(EXAMPLES.run), told(example("Failed"))]).runs[RUN];
  assert.match(failed.error.text.en, /a\.jpg/);
});

test("an unknown run is listed and read", () => {
  const state = after([{ type: "listed", runs: [] }, told(example("Preparing"))]);
  assert.equal(state.toList, true);
  assert.deepEqual(state.toRead, [RUN]);
});

test("what is asked is asked once, and answered", () => {
  const page = after(reading(EXAMPLES.run));
  const asked = (what, state = page) => next(state, { type: "asked", id: RUN, what });
  const may = (state) => ["save", "finish", "cancel"].filter((what) => mayAsk(state.runs[RUN], what));
  assert.deepEqual(may(page), ["save", "finish", "cancel"]);
  assert.deepEqual(may(asked("save")), ["finish", "cancel"]);
  assert.deepEqual(may(asked("finish")), ["cancel"]);
  assert.deepEqual(may(asked("cancel")), []);
  const saved = next(asked("save"), told(example("CheckpointSaved")));
  assert.deepEqual(saved.runs[RUN].requests.save, { tag: "done", step: 4 });
  const refused = next(asked("finish"), { type: "answered", id: RUN, what: "finish", error: "No." });
  assert.deepEqual(refused.runs[RUN].requests.finish, { tag: "refused", text: "No." });
  assert.deepEqual(may(refused), ["save", "finish", "cancel"]);
  const stopped = next(asked("cancel"), told(example("Stopped")));
  assert.deepEqual([may(stopped), stopped.runs[RUN].requests.cancel], [[], { tag: "done" }]);
  const preparing = next(page, told(example("Preparing")));
  assert.deepEqual(may(preparing), ["cancel"], "there is nothing to save yet");
});

test("a lost connection reads again what was live", () => {
  const state = next(after(reading(EXAMPLES.run)), { type: "returned" });
  assert.deepEqual([state.toList, state.toRead], [true, [RUN]]);
});

test("memory holds so many runs and no more", () => {
  let state = START;
  for (let index = 0; index < 60; index += 1) {
    const answer = { ...EXAMPLES.run, live: null, run: { ...EXAMPLES.run.run, id: `run-${index}` } };
    state = after(reading(answer), state);
  }
  assert.equal(Object.keys(state.runs).length, 24);
  assert.ok(state.runs["run-59"] && !state.runs["run-0"]);
});

test("each node finds its own run", () => {
  const { node, workflow } = example("Started");
  const page = after([{ type: "listed", runs: EXAMPLES.runs.runs }, told(example("Started"))]);
  const none = { output: undefined, kept: undefined, runName: "" };
  assert.equal(runOfNode(page, { id: node, workflow, ...none }), RUN);
  assert.equal(runOfNode(page, { id: node, workflow: "another", ...none }), null);
  assert.equal(runOfNode(page, { id: "7", workflow, ...none }), null);
  assert.equal(runOfNode(page, { id: "7", workflow, ...none, runName: "Mila" }), RUN);
  assert.equal(runOfNode(page, { id: "7", workflow, ...none, output: RUN }), RUN);
  assert.equal(runOfNode(page, { id: "7", workflow, ...none, kept: "gone-00000000" }), null);
  const queued = after([told({ ...example("Started"), workflow: null, node: "9", run: "api-00000000" })]);
  assert.equal(runOfNode(queued, { id: "9", workflow, ...none }), "api-00000000");
});

test("a page on no node shows what is live, else the newest", () => {
  const runs = [1, 3, 2].map((at) => ({ ...EXAMPLES.runs.runs[0], id: `run-${at}`, changed_at: at, state: "finished", live: null }));
  const page = after([{ type: "listed", runs }]);
  assert.equal(runOfPage(page), "run-3");
  assert.equal(runOfPage(after(reading(EXAMPLES.run), page)), RUN);
  assert.equal(runOfPage(START), null);
  assert.ok(NOW_S);
});
