// Votes: blind comparisons of two pictures, who won how often, and what that is worth. Pure; knows no element.
//
// A vote is { a, b, better }: the pictures shown on the left and on the right, each by the first letters of its file's
// name, and "a", "b" or "equal". A picture's name stands for its LoRA, prompt, seed and settings, so that votes about
// pictures of another training count no more.

const ID_LETTERS = 12;
export const ANSWERS = ["a", "b", "equal"];
export const SURE = 0.05; // a lead that chance gives more seldom than this is one

export const idOf = (name) => name.slice(0, ID_LETTERS);

/** The votes whose pictures are both in the view: [{ a: row, b: row, column, better }], by index. */
export function counted(view, votes) {
  const places = placesIn(view);
  return votes.flatMap(({ a, b, better }) => {
    const [one, other] = [places.get(a), places.get(b)];
    return one && other ? [{ a: one.row, b: other.row, column: one.column, better }] : [];
  });
}

const known = new WeakMap(); // view -> its places

function placesIn(view) {
  if (!known.has(view)) {
    const cells = view.rows.flatMap(({ cells }, row) => cells.map(({ name }, column) => [idOf(name), { row, column }]));
    known.set(view, new Map(cells));
  }
  return known.get(view);
}

/** For each row: { wins, losses, equals }. */
export function tallyOf(view, votes) {
  const tally = view.rows.map(() => ({ wins: 0, losses: 0, equals: 0 }));
  for (const { a, b, better } of counted(view, votes)) {
    const [winner, loser] = better === "b" ? [b, a] : [a, b];
    tally[winner][better === "equal" ? "equals" : "wins"] += 1;
    tally[loser][better === "equal" ? "equals" : "losses"] += 1;
  }
  return tally;
}

/**
 * Which row leads, and how often chance alone would give one of the rows such a lead: { row, wins, losses, chance,
 * isSure }, or null before anything was decided. A sign test: of `wins + losses` throws of a coin, at least `wins`
 * heads, times the rows that could have had them (Bonferroni; of two rows this is the two-sided test). Equals say nothing.
 */
export function verdictOf(tally) {
  const voted = tally.map((each, row) => ({ ...each, row })).filter(({ wins, losses }) => wins + losses > 0);
  if (!voted.length) return null;
  const tailed = voted.map((each) => ({ ...each, tail: tailOf(each.wins, each.wins + each.losses) }));
  const { row, wins, losses, tail } = tailed.reduce((best, each) => (each.tail < best.tail ? each : best));
  const chance = Math.min(1, tail * voted.length);
  return { row, wins, losses, chance, isSure: chance < SURE };
}

/** The probability of at least `wins` heads in `num` throws of a fair coin. */
export function tailOf(wins, num) {
  let [term, sum] = [-num * Math.LN2, 0]; // the logarithm of (num choose 0) / 2^num, then of the next ones
  for (let heads = 0; heads <= num; heads += 1) {
    if (heads >= wins) sum += Math.exp(term);
    term += Math.log(num - heads) - Math.log(heads + 1);
  }
  return Math.min(1, sum);
}

/**
 * The next pair to compare: { column, a: row, b: row }, or null when all are done. Every two rows come equally often,
 * every pair of pictures once, and which pair and which side is chance that the seed decides.
 */
export function nextTrial(view, rows, votes, seed) {
  const done = new Map(); // "row row" -> the columns compared
  for (const { a, b, column } of counted(view, votes)) {
    const key = pairKey(a, b);
    done.set(key, (done.get(key) ?? new Set()).add(column));
  }
  let best = null;
  for (const [a, b] of pairsOf(rows)) {
    const columns = done.get(pairKey(a, b)) ?? new Set();
    for (const column of comparable(view, a, b)) {
      if (columns.has(column)) continue;
      const rank = [columns.size, chanceOf(`${seed} ${view.rows[a].key} ${view.rows[b].key} ${column}`)];
      if (!best || rank[0] < best.rank[0] || (rank[0] === best.rank[0] && rank[1] < best.rank[1])) best = { rank, a, b, column };
    }
  }
  if (!best) return null;
  const { a, b, column } = best;
  const isSwapped = chanceOf(`side ${seed} ${view.rows[a].cells[column].name} ${view.rows[b].cells[column].name}`) < 0.5;
  return { column, a: isSwapped ? b : a, b: isSwapped ? a : b };
}

/** How many pairs of pictures these rows have, and how many of them were compared. */
export function progressOf(view, rows, votes) {
  const taking = new Set(rows);
  const seen = counted(view, votes).filter(({ a, b }) => taking.has(a) && taking.has(b));
  const done = new Set(seen.map(({ a, b, column }) => `${pairKey(a, b)} ${column}`));
  const total = pairsOf(rows).reduce((sum, [a, b]) => sum + comparable(view, a, b).length, 0);
  return { done: done.size, total };
}

const pairKey = (a, b) => (a < b ? `${a} ${b}` : `${b} ${a}`);

const pairsOf = (rows) => rows.flatMap((a, index) => rows.slice(index + 1).map((b) => [a, b]));

/** Columns with the person in which the two rows' pictures are different ones. */
function comparable(view, a, b) {
  const differ = (column) => view.rows[a].cells[column].name !== view.rows[b].cells[column].name;
  return view.columns.flatMap(({ is_canary: isCanary }, column) => (!isCanary && differ(column) ? [column] : []));
}

/** A number from 0 to 1 that a text decides: FNV-1a, mixed once more (Murmur3's last step). */
export function chanceOf(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
