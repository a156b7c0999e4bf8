// Head view: which run it is, what it is doing, and the buttons that ask something of it.

import { h, refill } from "../shared/dom.js";
import { REQUESTS } from "./state.js";
import { countText } from "./words.js";

/** The view: its `element`, and `draw(run)`. `hands.ask(what)` asks something of the run. */
export function makeHead(hands) {
  const { say, told } = hands;
  const name = h("h3", { className: "zl-run-name" });
  const badge = h("span", { className: "zl-badge" });
  const bar = h("div", { className: "zl-done" });
  const progress = h("div", { className: "zl-progress", role: "progressbar", "aria-valuemin": 0 }, bar);
  const doing = h("div", { className: "zl-doing" });
  const remedy = h("div", { className: "zl-remedy" });
  const buttons = Object.fromEntries(REQUESTS.map((what) => [what, h("button", {
    type: "button", dataset: { key: what }, title: say(`training_why_${what}`), textContent: say(`training_${what}`),
    onclick: () => hands.ask(what),
  })]));
  const row = h("div", { className: "zl-row zl-asks", role: "group", "aria-label": say("training_asks") }, ...Object.values(buttons));
  const feedback = h("div", { className: "zl-feedback" });
  const element = h("section", { className: "zl-part zl-head-part", "aria-label": say("training_status") },
    h("div", { className: "zl-row" }, name, badge), progress, doing, remedy, row, feedback);

  function draw(run) {
    const { summary, live } = run;
    name.textContent = summary.name;
    badge.textContent = say(`training_state_${summary.state}`);
    badge.dataset.state = summary.state;
    drawProgress(summary, live);
    doing.textContent = live ? told(live.text) : stepsText(summary);
    const said = remedyOf(run);
    remedy.hidden = !said;
    remedy.textContent = said;
    row.hidden = !live;
    for (const what of REQUESTS) buttons[what].disabled = !mayAsk(run, what);
    refill(feedback, ...answers(run));
  }

  function drawProgress(summary, live) {
    const [done, total] = live ? [live.done, live.total] : [summary.step, summary.total_steps];
    bar.style.transform = `scaleX(${total ? Math.min(1, done / total) : 0})`;
    const values = { "aria-valuemax": total, "aria-valuenow": done, "aria-label": live ? stageText(live.stage) : say("training_steps") };
    for (const [attribute, value] of Object.entries(values)) progress.setAttribute(attribute, value);
  }

  const stageText = (stage) => say(`training_stage_${stage}`);

  const stepsText = ({ step, total_steps: total }) =>
    say("training_steps_of", { step: countText(hands.language(), step), total: countText(hands.language(), total) });

  function remedyOf({ summary: { state }, error }) {
    if (state === "failed" && error) return told(error.text);
    return ["stopped", "interrupted", "failed", "elsewhere"].includes(state) ? say(`training_next_${state}`) : "";
  }

  function answers({ requests, live }) {
    const asked = { ...requests };
    if (live?.finish_asked) asked.finish ??= { tag: "asked" };
    return REQUESTS.filter((what) => asked[what]).map((what) => {
      const { tag, text, step } = asked[what];
      if (tag === "refused") return h("p", { className: "zl-refused", role: "alert", textContent: say("training_refused", { what: say(`training_${what}`), text }) });
      return h("p", { textContent: say(`training_${tag}_${what}`, { step }) });
    });
  }

  return { element, draw };
}

/** Whether asking means something now: a preparation has nothing to save yet, and what is asked already is not asked twice. */
export function mayAsk({ live, requests }, what) {
  if (!live) return false;
  const isAsked = (other) => requests[other]?.tag === "asked" || (other === "finish" && live.finish_asked);
  if (isAsked("cancel") || isAsked(what)) return false;
  return what === "cancel" || (live.stage === "train" && live.done > 0 && !isAsked("finish"));
}
