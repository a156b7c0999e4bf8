// Words: numbers of a training as people read them. Pure.

const GB = 2 ** 30; // as the trainer's own sentences count

/** Bytes, e.g. "8.1 GB". */
export function sizeText(bytes) {
  if (bytes >= GB) return `${(bytes / GB).toFixed(1)} GB`;
  return bytes >= 2 ** 20 ? `${Math.round(bytes / 2 ** 20)} MB` : `${Math.max(1, Math.round(bytes / 1024))} KB`;
}

/** A loss, in as many digits as tell two of them apart. */
export const lossText = (loss) => (loss >= 10 ? loss.toPrecision(3) : loss.toFixed(4));

/** A learning rate, e.g. "2e-4". */
export function rateText(rate) {
  if (rate === null || rate === undefined) return "–";
  if (rate === 0) return "0";
  return rate.toExponential(Number(rate.toExponential().split("e")[0]).toFixed(1).endsWith(".0") ? 0 : 1);
}

/** How long, e.g. "1 h 57 min". */
export function durationText(say, seconds) {
  if (seconds < 60) return say("training_seconds", { seconds: Math.max(0, Math.round(seconds)) });
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return say("training_minutes", { minutes });
  return say("training_hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

/** How long a step takes. */
export function paceText(say, seconds) {
  return say("training_pace", { seconds: seconds >= 10 ? seconds.toFixed(0) : seconds.toPrecision(2) });
}

/** The lane's name, which the server tells as the records of runs have it, e.g. "int8 · recompute 30/30". */
export const laneText = (say, lane) => lane
  .replace("recompute", say("training_lane_recompute")).replace("offload", say("training_lane_offload"));

/** The time of day, with the date where it is another day. */
export function clockText(language, at_s, now_s) {
  const [then, now] = [new Date(at_s * 1000), new Date(now_s * 1000)];
  return clockOf(language, then.toDateString() === now.toDateString()).format(then);
}

const clocks = new Map(); // making one takes longer than all else in a panel

function clockOf(language, isToday) {
  const key = `${language} ${isToday}`;
  const time = { hour: "2-digit", minute: "2-digit", hour12: false };
  const form = isToday ? time : { month: "short", day: "numeric", ...time };
  if (!clocks.has(key)) clocks.set(key, new Intl.DateTimeFormat(language, form));
  return clocks.get(key);
}

/** A number of steps, e.g. 12,000. */
export const countText = (language, count) => count.toLocaleString(language);

/** A setting's value in a table. */
export function valueText(say, value) {
  if (value === true) return say("training_on");
  if (value === false) return say("training_off");
  if (value === undefined || value === null || value === "") return "–";
  return String(value);
}
