// Tools view: what stands above the pictures: what is recommended and why, what is in use, and the tools.

import { h, refill } from "../shared/dom.js";
import { hasSeveralStrengths, RECOMMENDED, SIZES } from "./state.js";
import { choiceText } from "./words.js";

/** The tools: their elements from top to bottom, and `draw(state)`. `isWired` says whether the choice comes by a wire. */
export function makeTools({ say, told, dispatch, isWired, isWide, widen }) {
  const verdict = h("div", { className: "zl-verdict", dataset: { captureWheel: "true" } });
  const choice = h("div", { className: "zl-choice zl-row" });
  const said = h("span", { role: "status" });
  const size = h(
    "select",
    {
      title: say("sweep_size"), "aria-label": say("sweep_size"), dataset: { key: "size" },
      onchange: () => dispatch({ type: "size", size: size.value }),
    },
    ...Object.keys(SIZES).map((value) => h("option", { value, textContent: say(`size_${value}`) })),
  );
  const button = (key, text, title, onclick) => h("button", { textContent: text, title, "aria-label": title, dataset: { key }, onclick });
  const recommended = button("recommended", say("sweep_use_recommended"), say("sweep_use_recommended"), () =>
    dispatch({ type: "choose", choice: RECOMMENDED }));
  const wide = button("wide", "", "", widen);
  const bar = h(
    "div",
    { className: "zl-bar zl-row" },
    size,
    button("tally", say("sweep_blind"), say("sweep_blind_hint"), () => dispatch({ type: "tally" })),
    h("span", { className: "zl-space" }),
    recommended,
    wide,
  );
  choice.append(said);
  let drawn = null; // the view whose verdict is shown

  function draw(state) {
    const { view } = state;
    for (const part of [verdict, choice, bar]) part.hidden = !view;
    if (!view) return;
    size.value = state.size;
    [wide.textContent, wide.title] = isWide() ? [say("close"), say("close")] : [say("sweep_wide"), say("sweep_fullscreen")];
    wide.ariaLabel = wide.title;
    recommended.disabled = state.choice === RECOMMENDED || isWired();
    const notes = [choiceText({ say, told }, state)];
    if (isWired()) notes.push(say("sweep_choice_wired"));
    else if (hasSeveralStrengths(view)) notes.push(say("sweep_strength_hint"));
    if (said.textContent !== notes.join(" ")) said.textContent = notes.join(" ");
    if (drawn !== view) refill(verdict, ...verdictOf(view));
    drawn = view;
  }

  function verdictOf({ reasons, remedies, notes }) {
    const line = (text, className = "") => h("div", { className, textContent: told(text) });
    const [first, ...others] = reasons;
    const more = [...others, ...notes].map((text) => line(text));
    return [
      first && line(first, "zl-reasoned"),
      ...remedies.map((text) => line(text, "zl-sweep-remedy")),
      more.length > 0 && h("details", {}, h("summary", { textContent: say("sweep_more") }), ...more),
    ];
  }

  return { elements: [verdict, choice, bar], draw };
}
