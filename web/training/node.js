// Node: the panel on a node that trains, and which run is that node's. Draws nothing itself.

import { addView, chain, growTo, keepToItself } from "../shared/on_node.js";
import { runOfNode } from "./choice.js";
import { makePanel } from "./panel.js";

export const PROPERTY = "zimage_lora_run";
const MIN_HEIGHT_PX = 460;
const MIN_WIDTH_PX = 400;

/** Give a node its panel; returns how to bring it up to date. `host` is what extension.js knows of ComfyUI. */
export function addTraining(node, host) {
  const { feed } = host;

  const ownRun = () => runOfNode(feed.state(), {
    id: host.idOf(node), workflow: host.workflowId(), output: host.outputOf(node)?.zimage_lora_run?.[0],
    kept: node.properties?.[PROPERTY], runName: valueOf("run_name"),
  });
  const valueOf = (name) => node.widgets?.find((widget) => widget.name === name)?.value;
  const panel = makePanel(feed, host, { ownRun, targets: () => [host.target(node)], emptyText: () => host.say("training_none_here") });

  /** Which run it was belongs to the workflow, so that it is found again after a reload of the page. */
  function remember(run) {
    if (!run || node.properties[PROPERTY] === run) return;
    node.properties[PROPERTY] = run;
    host.changed(node);
  }

  function sync() {
    panel.redraw();
  }

  chain(node, "onConfigure", sync);
  chain(node, "onExecuted", (output) => {
    remember(output?.zimage_lora_run?.[0]);
    sync();
  });
  chain(node, "onAdded", panel.start);
  chain(node, "onRemoved", panel.stop);
  keepToItself(panel.element, host);
  addView(node, "training", panel.element, { minHeightPx: MIN_HEIGHT_PX });
  growTo(node, MIN_WIDTH_PX);
  return { sync, hear: ({ event, run }) => event === "Started" && remember(run) };
}
