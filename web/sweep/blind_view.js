// Blind view: which rows take part in a blind comparison and what came out, and the comparison itself.

import { h, refill } from "../shared/dom.js";
import { makeDialog } from "../shared/dialog.js";
import { useButton } from "./row_head.js";
import { blindEvent } from "./keys.js";
import { takingRows, trialOf } from "./state.js";
import { counted, progressOf, tallyOf, verdictOf } from "./votes.js";
import { rowName, verdictText } from "./words.js";

/** The two dialogs: `draw(state)` opens the one that the state is in. `newSeed` gives the seed of a first comparison. */
export function makeBlind(hands) {
  const { say, dispatch } = hands;
  const head = (title) => h(
    "div", { className: "zl-head zl-row" }, h("h2", { textContent: say(title) }),
    h("button", { textContent: "✕", title: say("close"), "aria-label": say("close"), dataset: { key: "close" }, onclick: () => dispatch({ type: "close" }) }),
  );
  const panel = h("div", { className: "zl-column zl-panel" });
  const tally = makeDialog({
    label: say("sweep_votes"), className: "zl-sheet zl-tally", kind: "zl-small", parts: [head("sweep_votes"), panel], toEvent: () => null, dispatch,
  });
  const [pair, foot] = [h("div", { className: "zl-column zl-pictures" }), h("div", { className: "zl-column zl-foot" })];
  const blind = makeDialog({
    label: say("sweep_which"), className: "zl-sheet zl-blind", parts: [head("sweep_which"), pair, foot], toEvent: blindEvent, dispatch,
  });
  let shown = "";

  function draw(state) {
    if (state.tag !== "tally") tally.hide();
    if (state.tag !== "blind") blind.hide();
    if (state.tag === "tally") {
      refill(panel, ...panelOf(state));
      tally.show();
    } else if (state.tag === "blind") {
      drawPair(state);
      blind.show();
    }
    if (state.tag !== "blind") shown = "";
  }

  function drawPair(state) {
    const { view } = state;
    const trial = trialOf(state);
    const [a, b] = [trial.a, trial.b].map((row) => hands.pictureUrl(view, row, trial.column));
    if (shown !== `${a} ${b}`) pair.replaceChildren(pictureOf(view, "A", a), pictureOf(view, "B", b));
    shown = `${a} ${b}`;
    const { done, total } = progressOf(view, takingRows(state), state.votes);
    const vote = (better, key) => h("button", {
      textContent: say(key), dataset: { key }, onclick: () => dispatch({ type: "vote", better }),
    });
    const undo = { textContent: say("sweep_unvote"), disabled: !counted(view, state.votes).length, dataset: { key: "unvote" } };
    refill(
      foot,
      h("div", { className: "zl-words-of", textContent: view.columns[trial.column].prompt }),
      h("div", { className: "zl-row zl-answers" }, vote("a", "vote_a"), vote("equal", "vote_equal"), vote("b", "vote_b")),
      h("div", { className: "zl-row zl-answers" },
        h("span", { className: "zl-hint", role: "status", textContent: say("sweep_progress", { done, total }) }),
        h("button", { ...undo, onclick: () => dispatch({ type: "unvote" }) }),
        h("button", { textContent: say("sweep_result"), dataset: { key: "result" }, onclick: () => dispatch({ type: "tally" }) })),
      h("div", { className: "zl-hint zl-answers", textContent: say("sweep_vote_keys") }),
    );
  }

  function pictureOf(view, name, src) {
    const pic = h("div", { className: "zl-pic" }, h("img", { src, alt: name, draggable: false }));
    pic.style.setProperty("--ratio", view.picture_px[0] / view.picture_px[1]);
    return h("figure", {}, h("figcaption", { className: "zl-letter", textContent: name }), h("div", { className: "zl-stage" }, pic));
  }

  function panelOf(state) {
    const { view, votes } = state;
    const taking = takingRows(state);
    const won = tallyOf(view, votes);
    const { done, total } = progressOf(view, taking, votes);
    const isOver = done === total;
    const lines = view.rows.flatMap((row, index) => (row.choice === null ? [] : [lineOf(state, row, won[index], taking.includes(index))]));
    const titles = ["sweep_row", "sweep_wins", "sweep_losses", "sweep_equals"].map((key) => h("th", { scope: "col", textContent: say(key) }));
    titles.push(h("td"));
    return [
      h("p", { className: "zl-said", role: "status", textContent: verdictText(hands, view, verdictOf(won)) }),
      h("p", { className: "zl-hint", textContent: say("sweep_votes_how") }),
      h("h3", { textContent: say("sweep_take") }),
      h("p", { className: "zl-hint", textContent: say("sweep_take_hint") }),
      h("table", { className: "zl-scores zl-taking" }, h("thead", {}, h("tr", {}, ...titles)), h("tbody", {}, ...lines)),
      h("p", { className: "zl-hint", textContent: stateOf(taking.length, isOver, done, total) }),
      h("div", { className: "zl-row" },
        h("button", {
          className: "zl-sweep-main", textContent: say(done ? "sweep_go_on" : "sweep_begin"), disabled: taking.length < 2 || isOver, dataset: { key: "begin" },
          onclick: () => dispatch({ type: "begin", seed: hands.newSeed() }),
        }),
        h("button", { textContent: say("sweep_unvote"), disabled: !counted(view, votes).length, dataset: { key: "unvote" }, onclick: () => dispatch({ type: "unvote" }) }),
        h("button", { textContent: say("sweep_forget"), disabled: !votes.length, dataset: { key: "forget" }, onclick: () => dispatch({ type: "forget" }) })),
    ];
  }

  function stateOf(numTaking, isOver, done, total) {
    if (numTaking < 2) return say("sweep_take_two");
    return isOver ? say("sweep_all_compared", { total }) : say("sweep_progress", { done, total });
  }

  function lineOf(state, row, { wins, losses, equals }, isTaking) {
    const box = h("input", {
      type: "checkbox", checked: isTaking, dataset: { key: `take ${row.key}` },
      onchange: (event) => dispatch({ type: "take", key: row.key, value: event.target.checked }),
    });
    const numbers = [wins, losses, equals].map((number) => h("td", { textContent: String(number) }));
    const name = rowName(hands, state.view, row);
    return h("tr", {}, h("th", { scope: "row" }, h("label", {}, box, ` ${name}`)), ...numbers, h("td", {}, useButton(hands, state, row)));
  }

  return { draw };
}
