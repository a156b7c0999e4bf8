// Parts of trainings for the tests: the examples that Python made, and a run's events with what the server would answer.

import { readFileSync } from "node:fs";

import { next, START } from "../../web/training/state.js";

/** What the code of the server makes today, read by the Python tests too. */
export const EXAMPLES = JSON.parse(readFileSync(new URL("../event_examples.json", import.meta.url), "utf8"));
export const RUN = EXAMPLES.run.run.id;
export const NOW_S = 1795398100;

/** The page's state after some of its events. */
export const after = (events, state = START) => events.reduce(next, state);

export const told = (event) => ({ type: "told", event, now_s: NOW_S });

/** A run of a name, told from its first step on: every step, and what happens between them. */
export function eventsOf(run, numSteps, { perEvent = 1, first = 1, total = numSteps } = {}) {
  const common = { run, node: run.length.toString(), workflow: null, at: 1795398000 };
  const events = [{ ...common, event: "Started", step: first - 1, first_step: first, total_steps: total, phases: [], text: line(first - 1) }];
  for (let step = first; step <= numSteps; step += perEvent) {
    const steps = Array.from({ length: Math.min(perEvent, numSteps - step + 1) }, (_, index) => step + index);
    const last = steps.at(-1);
    events.push({
      ...common, event: "StepsDone", step: last, total_steps: total, steps, losses: steps.map(lossAt), learning_rates: steps.map(() => 2e-4),
      seconds_per_step: 1, seconds_left: total - last, used_bytes: null, peak_bytes: null, phase: "train.phase.initial", text: line(last),
    });
    if (steps.some((one) => one % 50 === 0)) events.push(validated(common, Math.floor(last / 50) * 50));
  }
  return events;
}

const line = (step) => ({ en: `step ${step}`, zh: `第 ${step} 步` });

export const lossAt = (step) => 0.4 + 0.2 / Math.sqrt(step) + 0.1 * Math.sin(step * 12.9898);

const validated = (common, step) => ({
  ...common, event: "Validated", step, loss: 0.5 - step / 10000, num_photos: 4, before_step: step - 50 || null, change: -0.005, margin: 0.001,
  best_step: step, seconds: 1,
});

/** What the server answers when these events have happened, put together without the state's code. */
export function answerAfter(events) {
  const steps = events.filter(({ event }) => event === "StepsDone");
  const all = (name) => steps.flatMap((event) => event[name]);
  const last = steps.at(-1);
  const started = events.find(({ event }) => event === "Started");
  const losses = all("losses");
  const validations = events.filter(({ event }) => event === "Validated");
  const { run: id, node, workflow } = events[0];
  const newest = last ?? { ...started, seconds_per_step: null, seconds_left: null };
  return {
    ...EXAMPLES.run, phases: [], checkpoints: [], recommended: null, previews: [], warnings: [], plan: null, peak_bytes: null, error: null,
    run: {
      ...EXAMPLES.run.run, id, state: "running", step: newest.step, total_steps: started.total_steps, changed_at: 1795398000,
      best_loss: validations.at(-1)?.loss ?? null, recommended_step: null, picture: null,
    },
    live: {
      node, workflow, prompt_id: "a", stage: "train", done: newest.step, total: started.total_steps, text: newest.text,
      seconds_per_step: newest.seconds_per_step, seconds_left: newest.seconds_left, used_bytes: null, peak_bytes: null, finish_asked: false,
    },
    curve: {
      steps_per_point: 1, num_steps: losses.length, step: all("steps"), loss: losses, lowest: losses, highest: losses, learning_rate: all("learning_rates"),
    },
    validations: validations.map(({ step, at, loss, num_photos, before_step, change, margin, seconds }) => (
      { step, at, loss, num_photos, before_step, change, margin, seconds })),
  };
}

/** The page's events for a run that is read, with the events that come while it is. */
export function reading(answer, during = []) {
  const { id } = answer.run;
  return [{ type: "reading", id }, ...during.map(told), { type: "read", id, answer, now_s: NOW_S }];
}
