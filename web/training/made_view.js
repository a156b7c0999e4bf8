// Made view: what a run has made so far: checkpoints, previews, and what it has warned of.

import { h, refill } from "../shared/dom.js";
import { countText, lossText, sizeText } from "./words.js";

const SHOWN_PREVIEWS = 60; // the strip shows the newest; all are in the folder

/** The view: its `element`, and `draw(run)`. `hands.enlarge(previews, index)` shows one large, `hands.copy(text)` copies. */
export function makeMade(hands) {
  const { say, told, urlOf } = hands;
  const sections = ["warnings", "previews", "checkpoints"].map((name) => {
    const body = h("div", { className: `zl-${name}` });
    const element = h("section", { className: "zl-part", "aria-label": say(`training_${name}`) }, h("h4", { textContent: say(`training_${name}`) }), body);
    return { name, body, element, shown: undefined };
  });
  const fill = { warnings: fillWarnings, previews: fillPreviews, checkpoints: fillCheckpoints };
  const shown = { warnings: ({ warnings }) => [warnings], previews: ({ previews }) => [previews], checkpoints: (run) => [run.checkpoints, run.recommended] };

  function draw(run) {
    for (const section of sections) {
      const parts = shown[section.name](run);
      if (section.shown?.every((part, index) => part === parts[index])) continue;
      section.shown = parts;
      section.element.hidden = parts[0].length === 0;
      fill[section.name](section.body, run);
    }
  }

  function fillWarnings(body, { warnings }) {
    const lines = warnings.toReversed().map((warning) => h("li", {},
      warning.step ? `${say("training_at_step", { step: countText(hands.language(), warning.step) })}: ` : "", told(warning.text)));
    refill(body, h("ul", {}, ...lines));
  }

  function fillPreviews(body, { previews }) {
    const newest = previews.slice(-SHOWN_PREVIEWS);
    const first = previews.length - newest.length;
    refill(body, ...newest.map(({ step, prompt, picture }, index) => h("button", {
      type: "button", className: "zl-preview", title: prompt, dataset: { key: `preview ${picture.filename}` },
      "aria-label": say("training_enlarge", { step: countText(hands.language(), step), prompt }),
      onclick: () => hands.enlarge(previews, first + index),
    }, h("img", { src: urlOf(picture), alt: "", loading: "lazy", decoding: "async", draggable: false }),
    h("span", { textContent: countText(hands.language(), step) }))));
    body.scrollLeft = body.scrollWidth;
  }

  function fillCheckpoints(body, { checkpoints, recommended }) {
    const heads = ["step", "validation", "size", ""].map((name) => h("th", { scope: "col", textContent: name && say(`training_${name}`) }));
    const rows = checkpoints.toReversed().map((checkpoint) => rowOf(checkpoint, recommended));
    refill(body,
      recommended && h("p", { className: "zl-reasoned", textContent: told(recommended.reason.text) }),
      h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)));
  }

  function rowOf({ step, lora_name: name, bytes, loss, label }, recommended) {
    const isBest = recommended?.step === step;
    const badges = [isBest && h("span", { className: "zl-badge zl-good", textContent: `★ ${say("training_recommended")}` }),
      label && h("span", { className: "zl-badge", textContent: told(label) })];
    return h("tr", { className: isBest ? "zl-best" : "" },
      h("th", { scope: "row", title: name }, countText(hands.language(), step), " ", ...badges.filter(Boolean)),
      h("td", { textContent: loss === null ? "–" : lossText(loss) }),
      h("td", { textContent: sizeText(bytes) }),
      h("td", {}, h("button", {
        type: "button", dataset: { key: `copy ${name}` }, title: name, textContent: say("training_copy"),
        "aria-label": say("training_copy_of", { name }), onclick: () => hands.copy(name),
      })));
  }

  return { elements: sections.map(({ element }) => element), draw };
}
