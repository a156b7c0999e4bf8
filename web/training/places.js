// Places: the panel in the sidebar and in the bottom panel, for all trainings. Knows no node.

import { runOfPage } from "./choice.js";
import { makePanel } from "./panel.js";

const ID = "zimage-lora-training";

/** A tab for the front end, as its sidebar and its bottom panel take one. The title is asked for when it is shown. */
export function trainingTab(host, suffix = "") {
  const shown = new Map(); // the element it was rendered into -> the panel
  return {
    id: `${ID}${suffix}`,
    icon: "pi pi-chart-line",
    type: "custom",
    get title() {
      return host.say("training_title");
    },
    get tooltip() {
      return host.say("training_title");
    },
    render(element) {
      for (const [place, panel] of shown) if (!place.isConnected || place === element) drop(place, panel);
      const panel = makePanel(host.feed, host, {
        ownRun: () => runOfPage(host.feed.state()), targets: host.targets, emptyText: () => host.say("training_none"),
      });
      shown.set(element, panel);
      panel.element.classList.add("zl-place");
      element.style.height = "100%"; // else the panel is as high as all it has, and nothing of it stays in sight
      element.replaceChildren(panel.element);
      panel.start();
    },
    destroy() {
      for (const [place, panel] of shown) drop(place, panel);
    },
  };

  function drop(place, panel) {
    panel.stop();
    panel.element.remove();
    shown.delete(place);
  }
}
