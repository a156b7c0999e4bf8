// Numbers view: a run's figures, and its memory against the plan.

import { h, refill } from "../shared/dom.js";
import { clockText, countText, durationText, laneText, lossText, paceText, rateText, sizeText } from "./words.js";

const PARTS = ["weights", "lora", "activations", "context"];

/** The view: its `element`, and `draw(run)`. */
export function makeNumbers(hands) {
  const { say } = hands;
  const list = h("dl", { className: "zl-numbers" });
  const values = new Map(); // name -> the element that has the figure
  const bar = h("div", { className: "zl-memory-bar", role: "img" });
  const memory = h("div", { className: "zl-memory-text" });
  const element = h("section", { className: "zl-part", "aria-label": say("training_figures") }, list, h("div", { className: "zl-memory" }, memory, bar));
  let plan = null;

  function draw(run) {
    const figures = figuresOf(run);
    for (const name of new Set([...values.keys(), ...Object.keys(figures)])) {
      const text = figures[name];
      if (!values.has(name)) add(name);
      const { pair, value } = values.get(name);
      pair.hidden = text === undefined;
      if (text !== undefined && value.textContent !== text) value.textContent = text;
    }
    drawMemory(run);
  }

  function add(name) {
    const value = h("dd", { dataset: { name } });
    const pair = h("div", {}, h("dt", { textContent: say(`training_${name}`) }), value);
    values.set(name, { pair, value });
    list.append(pair);
  }

  function figuresOf({ summary, live, points, validations }) {
    const language = hands.language();
    const measured = validations.findLast(({ step }) => step > 0);
    const seconds = live?.seconds_left;
    const isKnown = seconds !== null && seconds !== undefined;
    return {
      steps: `${countText(language, summary.step)} / ${countText(language, summary.total_steps)}`,
      per_step: live?.seconds_per_step ? paceText(say, live.seconds_per_step) : undefined,
      left: isKnown ? durationText(say, seconds) : undefined,
      end: isKnown && live.endsAt_s ? clockText(language, live.endsAt_s, Date.now() / 1000) : undefined,
      rate: points.rate.length ? rateText(points.rate.at(-1)) : undefined,
      validation: measured ? lossText(measured.loss) : undefined,
      photos: summary.num_photos ? countText(language, summary.num_photos) : undefined,
    };
  }

  function drawMemory({ plan: planned, live, peakBytes }) {
    const [used, peak] = [live?.used_bytes ?? null, live?.peak_bytes ?? peakBytes];
    bar.parentElement.hidden = !planned && peak === null;
    if (bar.parentElement.hidden) return;
    const parts = [
      used === null ? null : say("training_used", { size: sizeText(used) }),
      peak === null ? null : say("training_peak", { size: sizeText(peak) }),
      planned ? say("training_planned", { size: sizeText(planned.peak_bytes) }) : null,
      planned?.usable_bytes ? say("training_usable", { size: sizeText(planned.usable_bytes) }) : null,
      planned?.lane ? laneText(say, planned.lane) : null,
    ];
    const text = `${say("training_memory")}: ${parts.filter(Boolean).join(" · ")}`;
    if (memory.textContent !== text) memory.textContent = text;
    const whole = Math.max(planned?.usable_bytes ?? 0, planned?.peak_bytes ?? 0, peak ?? 0, used ?? 0);
    bar.hidden = !whole;
    bar.setAttribute("aria-label", text);
    const key = JSON.stringify([planned, used && Math.round((used / whole) * 500), peak]);
    if (key === plan) return;
    plan = key;
    const share = (bytes) => `${((bytes / whole) * 100).toFixed(2)}%`;
    const pieces = planned ? PARTS.map((name) => h("i", {
      className: `zl-piece zl-piece-${name}`, title: `${say(`training_part_${name}`)} ${sizeText(planned[`${name}_bytes`])}`,
      style: { width: share(planned[`${name}_bytes`]) },
    })) : [];
    const marks = [["used", used], ["peak", peak]].filter(([, bytes]) => bytes !== null)
      .map(([name, bytes]) => h("b", { className: `zl-at zl-at-${name}`, style: { left: share(bytes) } }));
    refill(bar, ...pieces, ...marks);
  }

  return { element, draw };
}
