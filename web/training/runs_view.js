// Runs view: every run that the output folder has, to look at or to mark for a comparison.

import { h, refill } from "../shared/dom.js";
import { MAX_MARKED } from "./panel_state.js";
import { clockText, countText, lossText } from "./words.js";

/** The view: its `element`, and `draw(state, panel, shownId)`. */
export function makeRuns(hands) {
  const { say, urlOf, dispatch } = hands;
  const compare = h("button", { type: "button", dataset: { key: "marked" }, onclick: () => dispatch({ type: "tab", tab: "compare" }) });
  const hint = h("span", { className: "zl-hint", textContent: say("training_mark_hint", { count: MAX_MARKED }) });
  const list = h("ul", { className: "zl-runs" });
  const element = h("section", { className: "zl-part", "aria-label": say("training_tab_runs") }, h("div", { className: "zl-row" }, compare, hint), list);
  let drawn = [];

  function draw({ list: runs }, { marked }, shownId) {
    compare.textContent = say("training_compare", { count: marked.length });
    compare.disabled = marked.length < 2;
    const parts = [runs, marked, shownId];
    if (drawn.every((part, index) => part === parts[index]) && drawn.length) return;
    drawn = parts;
    if (!runs?.length) return refill(list, h("li", { className: "zl-hint", textContent: say(runs ? "training_no_runs" : "training_reading") }));
    refill(list, ...runs.map((run) => lineOf(run, marked, shownId)));
  }

  function lineOf({ id, name, state, step, total_steps: total, best_loss: loss, changed_at: at, picture }, marked, shownId) {
    const language = hands.language();
    const isMarked = marked.includes(id);
    const facts = [
      say(`training_state_${state}`), say("training_steps_of", { step: countText(language, step), total: countText(language, total) }),
      loss === null || loss === undefined ? null : `${say("training_validation")} ${lossText(loss)}`, clockText(language, at, Date.now() / 1000),
    ];
    return h("li", { className: id === shownId ? "zl-run zl-shown" : "zl-run" },
      h("input", {
        type: "checkbox", checked: isMarked, disabled: !isMarked && marked.length >= MAX_MARKED, dataset: { key: `mark ${id}` },
        "aria-label": say("training_mark", { name }), onchange: () => dispatch({ type: "mark", id }),
      }),
      h("button", { type: "button", className: "zl-pick", dataset: { key: `pick ${id}` }, onclick: () => dispatch({ type: "pick", id }) },
        picture ? h("img", { src: urlOf(picture), alt: "", loading: "lazy", draggable: false }) : h("span", { className: "zl-no-picture" }),
        h("span", { className: "zl-facts" }, h("b", { textContent: name }), h("small", { textContent: facts.filter(Boolean).join(" · ") }))));
  }

  return { element, draw };
}
