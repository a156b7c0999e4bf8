// Curve: where a loss curve stands in a picture of so many pixels. Pure geometry; draws nothing.

import { firstStep, indexOf, lastStep, smoothed } from "./points.js";

const SHOWN_SHARE = 0.995; // the few losses above are drawn at the top
const TICK_PX = { x: 48, y: 20 };
const LABEL_PX = { left: 44, right: 46, top: 18, bottom: 20 };
const VALIDATION_SHARE = 0.34; // of the height, where there is one
const GAP_PX = 12;

/**
 * The whole picture of a run: { width, height, steps: [first, last], loss, validation } with the two parts' frames and
 * axes (`validation` null where there is none). `run` has points, validations, phases, checkpoints, recommended, total.
 */
export function layOut(run, width, height, share) {
  const { points, validations } = run;
  const shown = validations.filter(({ loss }) => Number.isFinite(loss));
  const last = Math.max(2, run.totalSteps ?? 0, lastStep(points), shown.at(-1)?.step ?? 0);
  const [left, right] = [LABEL_PX.left, width - (shown.length ? LABEL_PX.right - 30 : 10)];
  const bottom = height - LABEL_PX.bottom;
  const inner = Math.max(20, bottom - LABEL_PX.top);
  const split = shown.length ? LABEL_PX.top + inner * (1 - VALIDATION_SHARE) - GAP_PX / 2 : bottom;
  const trend = smoothed(points.loss, share);
  const x = scale(Math.min(firstStep(points), shown[0]?.step ?? Infinity), last, left, Math.max(left + 20, right));
  const loss = { top: LABEL_PX.top, bottom: split, y: scale(...lossRange(points), split, LABEL_PX.top), trend };
  const validation = shown.length
    ? { top: split + GAP_PX, bottom, y: scale(...validationRange(shown), bottom, split + GAP_PX), validations: shown }
    : null;
  return { width, height, x, loss, validation };
}

/** A linear axis: `at(value)` in pixels, clamped to its two ends, and `ticks(px)`, round values about so far apart. */
export function scale(from, to, fromPx, toPx) {
  const span = to - from || 1;
  const at = (value) => fromPx + Math.min(1, Math.max(0, (value - from) / span)) * (toPx - fromPx);
  const valueAt = (px) => from + ((px - fromPx) / (toPx - fromPx || 1)) * span;
  return { from, to, fromPx, toPx, at, valueAt, ticks: (gapPx) => ticks(from, to, Math.abs(toPx - fromPx) / gapPx) };
}

/** Round values between two ends, at most about `count` of them. */
export function ticks(from, to, count) {
  const span = to - from;
  if (!(span > 0) || count < 1) return [];
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const first = Math.ceil(from / step - 1e-9);
  const values = [];
  for (let index = first; index * step <= to + step * 1e-9; index += 1) values.push(Number((index * step).toPrecision(12)));
  return values;
}

/** The ends of the loss axis, which begins at 0 unless that would press the curve flat. */
export function lossRange({ loss, lowest, highest }) {
  if (!loss.length) return [0, 1];
  const ordered = Float64Array.from(highest).sort();
  const top = 1.05 * ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * SHOWN_SHARE))] || 1;
  const least = lowest.reduce((one, other) => Math.min(one, other), Infinity);
  return [least > 0.4 * top ? 0.95 * least : 0, top];
}

/** The ends of the validation axis, with room for each interval. */
export function validationRange(validations) {
  const low = Math.min(...validations.map(({ loss, margin }) => loss - (margin ?? 0)));
  const high = Math.max(...validations.map(({ loss, margin }) => loss + (margin ?? 0)));
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

/** The curve in columns of one pixel: [x, lowest, highest] in pixels, from far fewer lines than there are steps. */
export function columns(points, x, y) {
  const found = [];
  points.step.forEach((step, index) => {
    const column = Math.round(x.at(step));
    const [low, high] = [y.at(points.lowest[index]), y.at(points.highest[index])];
    const last = found.at(-1);
    if (last?.[0] === column) {
      last[1] = Math.max(last[1], low); // pixels count downwards
      last[2] = Math.min(last[2], high);
    } else found.push([column, low, high]);
  });
  return found;
}

/** A line through values: [x, y] in pixels, one for each column, the mean of those that fall there. */
export function line(steps, values, x, y) {
  const found = [];
  let [column, sum, count] = [null, 0, 0];
  const close = () => count && found.push([column, y.at(sum / count)]);
  steps.forEach((step, index) => {
    const at = Math.round(x.at(step));
    if (at !== column) {
      close();
      [column, sum, count] = [at, 0, 0];
    }
    sum += values[index];
    count += 1;
  });
  close();
  return found;
}

/** The phases as bands: { left, right, phase, isShaded }. */
export function bands(phases, x) {
  return phases
    .filter(({ from }) => from <= x.to)
    .map((phase, index) => ({ left: x.at(phase.from), right: x.at(Math.min(phase.to, x.to)), phase, isShaded: index % 2 === 0 }));
}

export const tickGap = (axis) => TICK_PX[axis];

/** What stands at a pixel: { index, step, x } of the point there, or null beside the curve. */
export function pointAt(points, { x }, px) {
  return at(points, x, Math.round(x.valueAt(px)));
}

/** What stands at a step, or nearest to it. */
export function at(points, x, step) {
  const index = indexOf(points, step);
  return index < 0 ? null : { index, step: points.step[index], x: x.at(points.step[index]) };
}

/** The step to go to from one by a key, or null for a key that means nothing here. */
export function stepByKey(key, points, step) {
  const index = indexOf(points, step);
  const last = points.step.length - 1;
  const far = Math.max(1, Math.round(points.step.length / 20));
  const wanted = {
    ArrowLeft: index - 1, ArrowRight: index + 1, PageDown: index - far, PageUp: index + far, Home: 0, End: last,
  }[key];
  return wanted === undefined || last < 0 ? null : points.step[Math.min(last, Math.max(0, wanted))];
}
