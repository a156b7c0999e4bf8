// Previews view: one preview large in a dialog, the others a key away.

import { h, refill } from "../shared/dom.js";
import { makeDialog } from "../shared/dialog.js";
import { countText } from "./words.js";

/** The dialog: `open(previews, index)` and `close()`. */
export function makePreviews(hands) {
  const { say, urlOf } = hands;
  let [previews, index] = [[], 0];
  const image = h("img", { draggable: false });
  const caption = h("p", { "aria-live": "polite" });
  const buttons = h("div", { className: "zl-row" });
  const dialog = makeDialog({
    label: say("training_previews"), className: "zl-one-preview", kind: "zl-preview-dialog",
    parts: [h("div", { className: "zl-preview-stage" }, image), caption, buttons], toEvent: toStep, dispatch,
  });

  function toStep({ key }) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    return step ? { type: "go", step } : null;
  }

  function dispatch(event) {
    if (event.type === "close") return dialog.hide();
    index = Math.min(previews.length - 1, Math.max(0, index + event.step));
    draw();
  }

  function draw() {
    const { step, prompt, picture } = previews[index];
    image.src = urlOf(picture);
    image.alt = prompt;
    caption.textContent = `${say("training_at_step", { step: countText(hands.language(), step) })} · ${prompt}`;
    const turn = (key, by, isOff) => h("button", {
      type: "button", dataset: { key }, textContent: say(key), disabled: isOff, onclick: () => dispatch({ type: "go", step: by }),
    });
    refill(buttons, turn("training_before", -1, index === 0), turn("training_after", 1, index === previews.length - 1),
      h("button", { type: "button", dataset: { key: "close" }, textContent: say("training_close"), onclick: () => dialog.hide() }));
  }

  return {
    open(shown, at) {
      [previews, index] = [shown, at];
      draw();
      dialog.show();
    },
    close: () => dialog.hide(),
  };
}
