// Words: scores, rows and choices as people read them. Knows no element.

import * as viewer from "./state.js";
import { RECOMMENDED } from "./state.js";

export const SCORES = ["likeness", "gain", "balance", "agreement", "variety", "drift", "by_heart", "validation"];

/** A number that was measured, with half of its 95 % interval. */
export const estimateText = ({ mean, margin }) => (margin === null ? mean.toFixed(3) : `${mean.toFixed(3)} ± ${margin.toFixed(3)}`);

/** What a row is called, with its strength where there are several. */
export function rowName({ say, told }, view, row) {
  const label = told(row.label);
  const needsStrength = row.choice !== null && viewer.hasSeveralStrengths(view);
  return needsStrength ? say("sweep_at_strength", { row: label, strength: row.strength }) : label;
}

/** What was measured of a row: [{ key, text }]. */
export function scoresOf(row) {
  const found = SCORES.filter((key) => row.scores[key]).map((key) => ({ key, text: estimateText(row.scores[key]) }));
  const share = row.flexibility === null ? [] : [{ key: "flexibility", text: `${Math.round(row.flexibility * 100)} %` }];
  const grain = row.grain === null ? [] : [{ key: "grain", text: row.grain.toFixed(2) }];
  return [...found, ...share, ...grain];
}

/** What a picture is, in one line for those who hear it. */
export function cellName(hands, view, row, column) {
  const { say } = hands;
  const { prompt, seed } = view.columns[column];
  const { likeness, copied } = view.rows[row].cells[column];
  const parts = [rowName(hands, view, view.rows[row]), prompt, say("sweep_seed", { seed })];
  if (likeness !== null) parts.push(`${say("score_likeness")} ${likeness.toFixed(3)}`);
  if (copied) parts.push(say("sweep_copies", { name: copied }));
  return parts.join(", ");
}

/** What the choice means for the next run, and whether it needs one. */
export function choiceText({ say, told }, state) {
  const rows = viewer.chosenRows(state);
  if (!rows.length) return say("sweep_no_such_choice", { choice: state.choice });
  const label = told(state.view.rows[rows[0]].label);
  const row = state.choice === RECOMMENDED ? say("sweep_the_recommended", { row: label }) : label;
  return say(viewer.isWaiting(state) ? "sweep_chosen_waiting" : "sweep_chosen", { row });
}

/** What the votes say, in a sentence. */
export function verdictText(hands, view, verdict) {
  const { say } = hands;
  if (!verdict) return say("sweep_no_votes");
  const { row, wins, losses, chance, isSure } = verdict;
  const percent = chance >= 0.01 ? `${Math.round(chance * 100)} %` : "< 1 %";
  if (wins <= losses) return say("sweep_votes_even", { num: wins + losses });
  return say(isSure ? "sweep_votes_sure" : "sweep_votes_open", { row: rowName(hands, view, view.rows[row]), wins, losses, percent });
}
