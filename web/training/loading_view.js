// Loading view: the settings of a run, loaded into a node; and what of them could not be.

import { h, refill } from "../shared/dom.js";
import { nameSome } from "../shared/texts.js";
import { earlierSettings, loading } from "./settings.js";
import { countText, valueText } from "./words.js";

const LEFT_OUT = ["gone", "refused", "wired"];

/** The view: its `element`, and `draw(run, panel)`. `hands.targets()` gives the nodes: { label, widgets(), set(pairs) }. */
export function makeLoading(hands) {
  const { say } = hands;
  const target = h("select", { "aria-label": say("training_load_into"), dataset: { key: "target" } });
  const button = h("button", { type: "button", dataset: { key: "load" }, title: say("training_why_load"), textContent: say("training_load"), onclick: load });
  const said = h("div", { className: "zl-feedback", role: "status" });
  const earlier = h("div", { className: "zl-earlier zl-hint" });
  const element = h("section", { className: "zl-part", "aria-label": say("training_settings") },
    h("h4", { textContent: say("training_settings") }), earlier, said, h("div", { className: "zl-row" }, button, target));
  let run = null;
  let labels = "";

  function draw(shown, { loaded }) {
    run = shown;
    refill(earlier, ...earlierSettings(run).map(earlierLine));
    const targets = hands.targets();
    button.disabled = targets.length === 0;
    target.hidden = targets.length < 2;
    if (labels !== targets.map(({ label }) => label).join("\n")) {
      labels = targets.map(({ label }) => label).join("\n");
      refill(target, ...targets.map(({ label }, index) => h("option", { value: String(index), textContent: label })));
      target.selectedIndex = Math.max(0, targets.findIndex(({ isSelected }) => isSelected));
    }
    refill(said, ...(loaded?.id === shown.summary.id ? linesOf(loaded) : targets.length ? [] : [say("training_no_node")]));
  }

  function load() {
    const targets = hands.targets();
    const node = targets[Math.max(0, target.hidden ? 0 : target.selectedIndex)];
    if (!node || !run) return;
    const done = loading(run, node.widgets());
    node.set(done.set);
    hands.loaded({ id: run.summary.id, ...done });
  }

  function earlierLine({ step, pairs }) {
    const settings = nameSome(say, pairs.map(([name, value]) => `${hands.label(name)} ${valueText(say, value)}`), 8);
    return h("p", { textContent: say("training_earlier", { step: countText(hands.language(), step), settings }) });
  }

  function linesOf(done) {
    const named = (names) => nameSome(say, names.map(hands.label), 8);
    return [
      h("p", { textContent: done.set.length ? say("training_loaded", { count: done.set.length, names: named(done.set.map(([name]) => name)) }) : say("training_loaded_none") }),
      ...LEFT_OUT.filter((kind) => done[kind].length).map((kind) => h("p", { className: "zl-refused", textContent: say(`training_left_${kind}`, { names: named(done[kind]) }) })),
    ];
  }

  return { element, draw };
}
