// Curve view: one run's loss on a canvas, with its legend, its smoothing, and the figures at the cursor.

import { h } from "../shared/dom.js";
import { makeChart } from "./chart.js";
import { at, layOut, pointAt, stepByKey } from "./curve.js";
import { paintRun } from "./paint.js";
import { SHARES } from "./panel_state.js";
import { lastStep } from "./points.js";
import { countText, lossText, rateText } from "./words.js";

const INKS = ["raw", "trend", "validation", "checkpoint", "recommended", "axis", "quiet", "text", "band"];
const LEGEND = ["raw", "trend", "validation", "checkpoint", "recommended"];

/** The view: its `element`, and `draw(run, panel)`. `hands.dispatch` takes the panel's events. */
export function makeCurve(hands) {
  const { say, told, dispatch } = hands;
  let drawn = null; // { run, laid } of what is on the canvas

  const chart = makeChart({
    label: say("training_curve"), inkNames: INKS,
    onPoint: (px) => drawn && dispatch({ type: "cursor", step: px === null ? null : (pointAt(drawn.run.points, drawn.laid, px)?.step ?? null) }),
    onKey(key) {
      const { points } = drawn?.run ?? {};
      if (!points) return false;
      if (key === "Escape") dispatch({ type: "cursor", step: null });
      const step = stepByKey(key, points, hands.cursor() ?? lastStep(points));
      if (step !== null) dispatch({ type: "cursor", step });
      return step !== null;
    },
    onChange: () => hands.redraw(),
  });
  const readout = h("div", { className: "zl-readout" });
  const legend = h("div", { className: "zl-legend" }, ...LEGEND.map((name) => h("span", { dataset: { ink: name } },
    h("i", { className: `zl-ink zl-ink-${name} zl-swatch` }), say(`training_ink_${name}`))));
  const smoothing = h("select", {
    dataset: { key: "smoothing" }, onchange: ({ target }) => dispatch({ type: "smooth", smoothing: target.value }),
  }, ...Object.keys(SHARES).map((name) => h("option", { value: name, textContent: say(`training_smooth_${name}`) })));
  const label = h("label", { className: "zl-smoothing" }, say("training_smoothing"), smoothing);
  const element = h("section", { className: "zl-part zl-curve-part", "aria-label": say("training_curve") },
    readout, chart.box, h("div", { className: "zl-row" }, legend, label));

  function draw(run, panel) {
    if (smoothing.value !== panel.smoothing) smoothing.value = panel.smoothing;
    const { width, height } = chart.size();
    if (!width || !height) return;
    const totalSteps = run.summary.state === "finished" ? 0 : run.summary.total_steps; // one that ended early ends there
    const laid = layOut({ ...run, totalSteps }, width, height, SHARES[panel.smoothing]);
    drawn = { run, laid };
    const cursor = panel.cursor === null ? null : at(run.points, laid.x, panel.cursor);
    const tops = cursor ? [laid.loss.y.at(run.points.loss[cursor.index]), laid.loss.y.at(laid.loss.trend[cursor.index])] : [];
    const names = { loss: say("training_loss"), validation: say("training_validation") };
    paintRun(chart.clear(), run, laid, chart.inks(), { told, cursor: cursor && { ...cursor, tops }, names });
    for (const item of legend.children) item.hidden = !isShown(item.dataset.ink, run);
    tell(run, laid, cursor);
  }

  /** The figures at the cursor, or at the newest step. */
  function tell(run, laid, cursor) {
    const { points } = run;
    const index = cursor?.index ?? points.step.length - 1;
    const text = index < 0 ? say("training_no_steps") : figures(run, laid, index);
    if (readout.textContent !== text) readout.textContent = text;
    const now = points.step[index] ?? 0;
    if (cursor || document.activeElement !== chart.canvas) {
      chart.say({ min: points.step[0] ?? 1, max: Math.max(1, lastStep(points)), now, text });
    }
  }

  function figures({ points, validations }, laid, index) {
    const step = points.step[index];
    const from = step - (index === points.step.length - 1 ? points.held : points.per) + 1;
    const language = hands.language();
    const steps = from < step ? `${countText(language, from)}–${countText(language, step)}` : countText(language, step);
    const parts = [
      say("training_at_step", { step: steps }), `${say("training_loss")} ${lossText(points.loss[index])}`,
      `${say("training_ink_trend")} ${lossText(laid.loss.trend[index])}`,
      `${say("training_rate")} ${rateText(points.rate[index])}`,
    ];
    const measured = validations.findLast((one) => one.step <= step);
    if (measured) parts.push(say("training_validated_at", { loss: lossText(measured.loss), step: countText(language, measured.step) }));
    return parts.join(" · ");
  }

  return { element, draw, watch: chart.watch, unwatch: chart.unwatch };
}

function isShown(ink, { validations, checkpoints, recommended }) {
  if (ink === "validation") return validations.length > 0;
  if (ink === "checkpoint") return checkpoints.length > 0;
  return ink !== "recommended" || Boolean(recommended);
}
