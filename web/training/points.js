// Points: a loss curve in bounded memory. Each point stands for `per` steps in a row; the last may hold fewer. Pure.

export const MAX_POINTS = 4000;

/** No step yet. `step` is each point's last one, `loss` the mean of its steps, `held` how many the last point has. */
export const NO_POINTS = Object.freeze({ per: 1, held: 0, step: [], loss: [], lowest: [], highest: [], rate: [] });

/** The points of a curve that the server has drawn up. */
export function pointsOf({ steps_per_point: per, num_steps: numSteps, step, loss, lowest, highest, learning_rate: rate }) {
  const held = step.length ? Math.min(per, Math.max(1, numSteps - per * (step.length - 1))) : 0;
  return { per, held, step, loss, lowest, highest, rate };
}

/** The newest step, 0 before the first. */
export const lastStep = ({ step }) => step.at(-1) ?? 0;

/** The first step that the curve has. */
export const firstStep = ({ step, per, held }) => (step.length ? step[0] - (step.length === 1 ? held : per) + 1 : 1);

/** The points with further steps; steps that are there already are passed over. */
export function append(points, steps, losses, rates) {
  const from = steps.findIndex((step) => step > lastStep(points));
  if (from < 0) return points;
  let { held } = points;
  const [step, loss, lowest, highest, rate] = ["step", "loss", "lowest", "highest", "rate"].map((name) => points[name].slice());
  for (let index = from; index < steps.length; index += 1) {
    const last = step.length - 1;
    if (held > 0 && held < points.per && steps[index] === step[last] + 1) {
      step[last] = steps[index];
      loss[last] += (losses[index] - loss[last]) / (held + 1);
      lowest[last] = Math.min(lowest[last], losses[index]);
      highest[last] = Math.max(highest[last], losses[index]);
      rate[last] = rates[index];
      held += 1;
    } else {
      step.push(steps[index]);
      for (const values of [loss, lowest, highest]) values.push(losses[index]);
      rate.push(rates[index]);
      held = 1;
    }
  }
  let grown = { ...points, held, step, loss, lowest, highest, rate };
  while (grown.step.length > MAX_POINTS) grown = halved(grown);
  return grown;
}

/** Half as many points: every two become one. */
export function halved(points) {
  const count = points.step.length;
  const halves = { step: [], loss: [], lowest: [], highest: [], rate: [] };
  for (let one = 0; one < count; one += 2) {
    const other = Math.min(one + 1, count - 1);
    const share = other === one ? 0 : other === count - 1 ? points.held / (points.per + points.held) : 0.5;
    halves.step.push(points.step[other]);
    halves.loss.push(points.loss[one] + (points.loss[other] - points.loss[one]) * share);
    halves.lowest.push(Math.min(points.lowest[one], points.lowest[other]));
    halves.highest.push(Math.max(points.highest[one], points.highest[other]));
    halves.rate.push(points.rate[other]);
  }
  return { ...halves, per: points.per * 2, held: points.held + (count % 2 === 0 ? points.per : 0) };
}

/** The points that end before a step: a run that went back makes the others anew. */
export function before(points, step) {
  if (lastStep(points) < step) return points;
  const count = points.step.findIndex((end) => end >= step);
  const kept = ["step", "loss", "lowest", "highest", "rate"].map((name) => [name, points[name].slice(0, count)]);
  return { ...Object.fromEntries(kept), per: points.per, held: count ? points.per : 0 };
}

/** Each value's mean with its neighbours, `share` of the whole together; fewer at the two ends. */
export function smoothed(values, share) {
  const reach = share > 0 ? Math.max(1, Math.round((values.length * share) / 2)) : 0;
  const sums = new Float64Array(values.length + 1);
  values.forEach((value, index) => (sums[index + 1] = sums[index] + value));
  return values.map((_, index) => {
    const [start, end] = [Math.max(0, index - reach), Math.min(values.length, index + reach + 1)];
    return (sums[end] - sums[start]) / (end - start);
  });
}

/** The index of the point that has a step, or of the one nearest to it; -1 where there is none. */
export function indexOf({ step, per }, wanted) {
  if (!step.length) return -1;
  let [low, high] = [0, step.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (step[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  const isNearer = low > 0 && step[low] - per >= wanted && wanted - step[low - 1] < step[low] - per + 1 - wanted;
  return isNearer ? low - 1 : low;
}
