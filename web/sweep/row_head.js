// Row head: what stands before a row of pictures: the checkpoint, what was measured of it, and the button to use it.

import { h, refill } from "../shared/dom.js";
import { chosenRows } from "./state.js";
import { tallyOf } from "./votes.js";
import { rowName, scoresOf } from "./words.js";

const SHOWN_SCORES = ["likeness", "balance"];

/** Fill the head of a row. */
export function drawHead(element, hands, state, row) {
  const { say, told } = hands;
  const { view } = state;
  const isUsed = chosenRows(state).includes(row);
  const label = rowName(hands, view, view.rows[row]);
  const measured = scoresOf(view.rows[row]).filter(({ key }) => SHOWN_SCORES.includes(key));
  element.classList.toggle("zl-used", isUsed);
  element.classList.toggle("zl-sweep-best", view.rows[row].mark === "recommended");
  element.classList.toggle("zl-rejected", Boolean(view.rows[row].rejected));
  refill(
    element,
    h("div", { className: "zl-name", textContent: label, title: label }),
    ...measured.map(({ key, text }) =>
      h("div", { className: "zl-score", title: say(`why_${key}`), textContent: `${say(`score_${key}`)} ${text}` })),
    h("div", { className: "zl-badges" }, ...badgesOf(say, told, state, row)),
    useButton(hands, state, view.rows[row]),
  );
}

/** The button that has the next run use a row's checkpoint; the untrained model has none. */
export function useButton(hands, state, row) {
  const { say, dispatch, isWired } = hands;
  const { choice } = row;
  if (choice === null) return null;
  const isUsed = chosenRows(state).some((index) => state.view.rows[index] === row);
  return h("button", {
    className: "zl-choose", textContent: say(isUsed ? "sweep_used" : "sweep_use"), disabled: isUsed || isWired(),
    "aria-pressed": String(isUsed), "aria-label": say("sweep_use_row", { row: rowName(hands, state.view, row) }),
    dataset: { key: `use ${row.key}` }, onclick: () => dispatch({ type: "choose", choice }),
  });
}

/** What is to be said about a row at a glance. */
export function badgesOf(say, told, state, row) {
  const { mark, rejected, num_copies: num, cells } = state.view.rows[row];
  const judged = state.view.columns.filter(({ is_canary: isCanary }) => !isCanary).length || cells.length;
  const { wins, losses } = tallyOf(state.view, state.votes)[row];
  const badge = (text, kind, title = "") => h("span", { className: `zl-badge ${kind}`, textContent: text, title });
  return [
    mark === "recommended" && badge(`★ ${say("badge_recommended")}`, "zl-sweep-good"),
    mark === "runner_up" && badge(say("badge_runner_up"), "zl-hand"),
    num > 0 && badge(say("badge_rejected", { num, of: judged }), "zl-warn", rejected ? told(rejected) : ""),
    wins + losses > 0 && badge(say("badge_votes", { wins, losses }), ""),
  ];
}
