// Compare view: several runs' curves over each other, and their settings side by side with the differences marked.

import { h, refill } from "../shared/dom.js";
import { makeChart } from "./chart.js";
import { at, layOut, pointAt, stepByKey } from "./curve.js";
import { DASHES, paintSeveral } from "./paint.js";
import { SHARES } from "./panel_state.js";
import { lastStep } from "./points.js";
import { sideBySide } from "./settings.js";
import { countText, lossText, valueText } from "./words.js";

const LETTERS = ["A", "B", "C", "D", "E", "F"];
const INKS = [...LETTERS.map((letter) => `run-${letter.toLowerCase()}`), "axis", "quiet", "text"];

/** The view: its `element`, and `draw(runs, panel)`. `hands.label(name)` is how a setting is called on the node. */
export function makeCompare(hands) {
  const { say, dispatch } = hands;
  let drawn = null; // { long, laid }: the longest run, and where it stands on the canvas
  const chart = makeChart({
    label: say("training_curves"), inkNames: INKS,
    onPoint: (px) => drawn && dispatch({ type: "cursor", step: px === null ? null : (pointAt(drawn.long.points, drawn.laid, px)?.step ?? null) }),
    onKey(key) {
      const step = drawn && stepByKey(key, drawn.long.points, hands.cursor() ?? lastStep(drawn.long.points));
      if (step !== null) dispatch({ type: "cursor", step });
      return step !== null;
    },
    onChange: () => hands.redraw(),
  });
  const legend = h("ul", { className: "zl-legend zl-letters" });
  const all = h("button", { type: "button", dataset: { key: "all" }, onclick: () => dispatch({ type: "all" }) });
  const table = h("div", { className: "zl-table" });
  const empty = h("p", { className: "zl-hint", textContent: say("training_mark_first") });
  const full = h("div", { className: "zl-compare" }, legend, chart.box, all, table);
  const element = h("section", { className: "zl-part", "aria-label": say("training_tab_compare") }, empty, full);
  let listed = [];

  function draw(runs, panel) {
    empty.hidden = runs.length > 0;
    full.hidden = runs.length === 0;
    if (!runs.length) return;
    drawCurves(runs, panel);
    const parts = [panel.showsAll, ...runs.map(({ settings }) => settings), ...runs.map(({ summary }) => summary.state)];
    if (parts.length === listed.length && parts.every((part, index) => part === listed[index])) return;
    listed = parts;
    drawTable(runs, panel.showsAll);
  }

  function drawCurves(runs, { smoothing, cursor }) {
    const { width, height } = chart.size();
    if (!width || !height) return;
    const long = runs.reduce((one, other) => (lastStep(other.points) > lastStep(one.points) ? other : one));
    const merged = Object.fromEntries(["step", "loss", "lowest", "highest"].map((name) => [name, runs.flatMap(({ points }) => points[name])]));
    const inks = chart.inks();
    const each = runs.map(({ points }, index) => {
      const { trend } = layOut({ points, validations: [] }, width, height, SHARES[smoothing]).loss;
      return { points, trend, ink: inks[INKS[index]], dash: DASHES[index], letter: LETTERS[index] };
    });
    const range = { ...merged, loss: merged.loss, lowest: each.flatMap(({ trend }) => trend), highest: each.flatMap(({ trend }) => trend) };
    const laid = layOut({ points: { ...range, per: 1, held: 1, step: [1, lastStep(long.points)] }, validations: [] }, width, height, 0);
    drawn = { long, laid };
    const here = cursor === null ? null : at(long.points, laid.x, cursor);
    paintSeveral(chart.clear(), each, laid, inks, { cursor: here && { x: here.x, tops: [] }, names: { loss: say("training_ink_trend") } });
    drawLegend(runs, each, here?.step ?? null);
    chart.say({ min: 1, max: Math.max(1, lastStep(long.points)), now: here?.step ?? lastStep(long.points), text: legend.innerText });
  }

  function drawLegend(runs, each, step) {
    const items = runs.map(({ summary, points }, index) => {
      const reached = step !== null && step <= lastStep(points);
      const spot = reached ? at(points, { at: () => 0 }, step) : null;
      const value = spot ? ` ${lossText(each[index].trend[spot.index])}` : "";
      return `${LETTERS[index]} ${summary.name}${value}`;
    });
    const text = [step === null ? "" : say("training_at_step", { step: countText(hands.language(), step) }), ...items];
    if (legend.dataset.text === text.join("|")) return;
    legend.dataset.text = text.join("|");
    legend.replaceChildren(...items.map((item, index) => h("li", {},
      h("i", { className: `zl-ink zl-ink-${INKS[index]} zl-swatch`, dataset: { dash: index } }), item)),
    h("li", { className: "zl-hint", textContent: text[0] }));
  }

  function drawTable(runs, showsAll) {
    const lines = sideBySide(runs);
    const others = lines.filter(({ isSame }) => !isSame);
    all.textContent = showsAll ? say("training_only_different", { count: others.length }) : say("training_all_settings", { count: lines.length });
    all.setAttribute("aria-pressed", String(showsAll));
    const heads = runs.map(({ summary }, index) => h("th", { scope: "col", textContent: `${LETTERS[index]} ${summary.name}` }));
    const results = [
      ["training_best_loss", ({ summary }) => (summary.best_loss === null || summary.best_loss === undefined ? "–" : lossText(summary.best_loss))],
      ["training_recommended", ({ summary }) => (summary.recommended_step ? countText(hands.language(), summary.recommended_step) : "–")],
      ["training_state", ({ summary }) => say(`training_state_${summary.state}`)],
    ].map(([key, valueOf]) => h("tr", { className: "zl-result" }, h("th", { scope: "row", textContent: say(key) }), ...runs.map((run) => h("td", { textContent: valueOf(run) }))));
    const rows = (showsAll ? lines : others).map(({ name, values, isSame }) => h("tr", { className: isSame ? "" : "zl-different" },
      h("th", { scope: "row" }, isSame ? "" : h("span", { title: say("training_different"), textContent: "≠ ", role: "img", "aria-label": say("training_different") }), hands.label(name)),
      ...values.map((value) => h("td", { textContent: valueText(say, value) }))));
    const none = !others.length && !showsAll && h("p", { className: "zl-hint", textContent: say("training_all_same") });
    refill(table, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}), ...heads)), h("tbody", {}, ...results, ...rows)), none);
  }

  return { element, draw, watch: chart.watch, unwatch: chart.unwatch };
}
