// Scores view: what is known of one picture and of its row, beside the large picture.

import { h } from "../shared/dom.js";
import { rowName, scoresOf } from "./words.js";
import { badgesOf } from "./row_head.js";

/** The parts for one picture, from top to bottom. */
export function partsOf(hands, state, row, column) {
  const { say, told } = hands;
  const { view } = state;
  const { prompt, seed, is_canary: isCanary } = view.columns[column];
  const { rejected, cells } = view.rows[row];
  const { likeness } = cells[column];
  return [
    h("h3", { textContent: say("sweep_prompt") }),
    h("div", { className: "zl-words-of", textContent: prompt }),
    h("div", { className: "zl-hint", textContent: [say("sweep_seed", { seed }), isCanary && say("sweep_canary")].filter(Boolean).join(" · ") }),
    ...(likeness === null ? [] : [
      h("h3", { textContent: say("sweep_this_picture") }), table(say, [{ key: "likeness", text: likeness.toFixed(3) }]),
    ]),
    ...nearestOf(hands, view, cells[column]),
    h("h3", { textContent: say("sweep_this_row", { row: rowName(hands, view, view.rows[row]) }) }),
    h("div", { className: "zl-badges" }, ...badgesOf(say, told, state, row).filter(Boolean)),
    table(say, scoresOf(view.rows[row])),
    rejected && h("div", { className: "zl-sweep-remedy", textContent: told(rejected) }),
  ].filter(Boolean);
}

function table(say, scores) {
  const lines = scores.map(({ key, text }) =>
    h("tr", { title: say(`why_${key}`) }, h("th", { scope: "row", textContent: say(`score_${key}`) }), h("td", { textContent: text })));
  return lines.length ? h("table", { className: "zl-scores" }, h("tbody", {}, ...lines)) : h("div", { className: "zl-hint", textContent: "–" });
}

/** The training photo that a picture copies. */
function nearestOf({ say, urlOf }, { photos }, { copied }) {
  if (!copied) return [];
  const picture = photos[copied] && h("img", { className: "zl-nearest", src: urlOf(photos[copied]), alt: copied });
  return [h("div", { className: "zl-sweep-remedy" }, say("sweep_nearest")), picture, h("div", { className: "zl-hint", textContent: copied })];
}
