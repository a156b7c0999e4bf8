// Paint: a laid-out curve on a canvas, in colours that are handed in. Works nothing out and keeps nothing.

import { bands, columns, line, tickGap } from "./curve.js";

const FONT = "10px sans-serif";
const MARK_PX = 4;
export const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4], [12, 4]];

/** A 2D context of a canvas, in CSS pixels and empty. `sharpness` is how many dots a CSS pixel has. */
export function clear(canvas, width, height, sharpness) {
  const [dotsX, dotsY] = [Math.round(width * sharpness), Math.round(height * sharpness)];
  if (canvas.width !== dotsX || canvas.height !== dotsY) Object.assign(canvas, { width: dotsX, height: dotsY });
  const context = canvas.getContext("2d");
  context.setTransform(sharpness, 0, 0, sharpness, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.lineJoin = "round";
  return context;
}

/** One run's picture: bands, axes, every step, the trend, the validation, checkpoints and the cursor. */
export function paintRun(context, run, laid, inks, { told, cursor, names }) {
  paintBands(context, run.phases, laid, inks, told);
  paintAxes(context, laid, inks, names);
  const { points } = run;
  context.strokeStyle = inks.raw;
  context.lineWidth = 1;
  strokeColumns(context, columns(points, laid.x, laid.loss.y), points.per === 1);
  context.strokeStyle = inks.trend;
  context.lineWidth = 2;
  stroke(context, line(points.step, laid.loss.trend, laid.x, laid.loss.y));
  if (laid.validation) paintValidation(context, laid, inks);
  paintCheckpoints(context, run, laid, inks);
  if (cursor) paintCursor(context, laid, inks, cursor);
}

/** Several runs' trends over each other: `runs` are { points, trend, ink, dash, letter }. */
export function paintSeveral(context, runs, laid, inks, { cursor, names }) {
  paintAxes(context, laid, inks, names);
  for (const { points, trend, ink, dash, letter } of runs) {
    const drawn = line(points.step, trend, laid.x, laid.loss.y);
    Object.assign(context, { strokeStyle: ink, fillStyle: ink, lineWidth: 2 });
    context.setLineDash(dash);
    stroke(context, drawn);
    context.setLineDash([]);
    if (drawn.length) write(context, letter, Math.min(drawn.at(-1)[0] + 4, laid.width - 9), drawn.at(-1)[1] + 3, "left", "bold 11px sans-serif");
  }
  if (cursor) paintCursor(context, laid, inks, cursor);
}

function paintBands(context, phases, { x, loss, validation }, inks, told) {
  const bottom = validation?.bottom ?? loss.bottom;
  for (const { left, right, phase, isShaded } of bands(phases, x)) {
    context.fillStyle = inks.band;
    if (isShaded) context.fillRect(left, loss.top, right - left, bottom - loss.top);
    const text = told(phase.text);
    context.fillStyle = inks.quiet;
    context.font = FONT;
    if (context.measureText(text).width < right - left - 4) write(context, text, (left + right) / 2, loss.top - 5, "center");
  }
}

function paintAxes(context, { x, loss, validation }, inks, names) {
  Object.assign(context, { strokeStyle: inks.axis, fillStyle: inks.quiet, lineWidth: 1 });
  for (const part of validation ? [loss, validation] : [loss]) {
    context.strokeRect(x.fromPx + 0.5, Math.round(part.top) + 0.5, x.toPx - x.fromPx - 1, Math.round(part.bottom - part.top) - 1);
    const values = part.y.ticks(tickGap("y"));
    const digits = digitsOf(values);
    for (const value of values) write(context, value.toFixed(digits), x.fromPx - 4, part.y.at(value) + 3, "right");
    const footPx = part === loss ? 3 * MARK_PX : MARK_PX; // curves fall: the lower left is free but for the checkpoints
    write(context, part === loss ? names.loss : names.validation, x.fromPx + 5, part.bottom - footPx, "left");
  }
  const bottom = (validation ?? loss).bottom;
  for (const value of x.ticks(tickGap("x"))) {
    const at = Math.round(x.at(value)) + 0.5;
    stroke(context, [[at, bottom], [at, bottom + 3]]);
    const align = at > x.toPx - 14 ? "right" : "center";
    write(context, String(value), align === "right" ? Math.min(at + 6, x.toPx + 8) : at, bottom + 14, align);
  }
}

/** As many digits as tell neighbouring ticks apart. */
function digitsOf(values) {
  if (values.length < 2) return 3;
  const gap = values[1] - values[0];
  const digits = Math.max(0, -Math.floor(Math.log10(gap) + 1e-9));
  return Math.min(6, digits + (Math.abs(gap * 10 ** digits - Math.round(gap * 10 ** digits)) > 1e-6 ? 1 : 0));
}

function strokeColumns(context, drawn, isEveryStep) {
  context.beginPath();
  drawn.forEach(([at, low, high], index) => {
    if (index === 0) context.moveTo(at + 0.5, low);
    else if (isEveryStep || low === high) context.lineTo(at + 0.5, low);
    else context.moveTo(at + 0.5, low);
    if (low !== high) context.lineTo(at + 0.5, high);
  });
  context.stroke();
}

function stroke(context, drawn) {
  context.beginPath();
  drawn.forEach(([left, top], index) => (index ? context.lineTo(left, top) : context.moveTo(left, top)));
  context.stroke();
}

function paintValidation(context, { x, validation }, inks) {
  Object.assign(context, { strokeStyle: inks.validation, fillStyle: inks.validation, lineWidth: 1.5 });
  const drawn = validation.validations.map((one) => [x.at(one.step), validation.y.at(one.loss), one]);
  context.setLineDash([5, 3]);
  stroke(context, drawn);
  context.setLineDash([]);
  for (const [left, top, { loss, margin }] of drawn) {
    if (margin) {
      const ends = [validation.y.at(loss - margin), validation.y.at(loss + margin)];
      stroke(context, [[left, ends[0]], [left, ends[1]]]);
      for (const end of ends) stroke(context, [[left - 3, end], [left + 3, end]]);
    }
    context.beginPath();
    context.arc(left, top, 2.5, 0, 7);
    context.fill();
  }
}

/** A tick for each checkpoint at the foot of the loss; a star and a line for the recommended one. */
function paintCheckpoints(context, { checkpoints, recommended }, { x, loss, validation }, inks) {
  for (const { step } of checkpoints) {
    const at = x.at(step);
    context.fillStyle = inks.checkpoint;
    context.beginPath();
    context.moveTo(at, loss.bottom - 2 * MARK_PX);
    context.lineTo(at - MARK_PX, loss.bottom);
    context.lineTo(at + MARK_PX, loss.bottom);
    context.fill();
  }
  if (!recommended) return;
  const at = Math.round(x.at(recommended.step)) + 0.5;
  Object.assign(context, { strokeStyle: inks.recommended, fillStyle: inks.recommended, lineWidth: 1.5 });
  context.setLineDash([3, 3]);
  stroke(context, [[at, loss.top], [at, (validation ?? loss).bottom]]);
  context.setLineDash([]);
  write(context, "★", at > x.toPx - 12 ? at - 3 : at + 3, loss.top + 12, at > x.toPx - 12 ? "right" : "left", "13px sans-serif");
}

function paintCursor(context, { x, loss, validation }, inks, { x: at, tops }) {
  Object.assign(context, { strokeStyle: inks.text, fillStyle: inks.text, lineWidth: 1 });
  stroke(context, [[Math.round(at) + 0.5, loss.top], [Math.round(at) + 0.5, (validation ?? loss).bottom]]);
  for (const top of tops) {
    context.beginPath();
    context.arc(at, top, 3, 0, 7);
    context.fill();
  }
}

function write(context, text, left, top, align, font = FONT) {
  Object.assign(context, { textAlign: align, font });
  context.fillText(text, left, top);
}
