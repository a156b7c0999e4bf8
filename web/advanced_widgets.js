// Expert settings fold away on our nodes. The new node design does this by itself, the classic canvas does not.
import { app } from "../../scripts/app.js";

/** Hide a node's `advanced` widgets until "Show Advanced" is chosen in its menu; their values count all the same. */
function foldAdvancedWidgets(node) {
  const advanced = (node.widgets ?? []).filter((widget) => widget.options?.advanced && !widget.options.hidden);
  for (const widget of advanced) {
    widget.advanced = true; // what puts "Show Advanced" into the menu
    // The classic canvas leaves room for advanced widgets that it does not draw, but not for hidden ones.
    Object.defineProperty(widget, "hidden", {
      configurable: true,
      get: () => widget.options.hidden || (!node.showAdvanced && !window.LiteGraph.vueNodesMode),
      set: () => {},
    });
  }
  if (advanced.length > 0) node.setSize([Math.max(node.computeSize()[0], node.size[0]), node.computeSize()[1]]);
}

app.registerExtension({
  name: "zimage_lora.advanced_widgets",
  nodeCreated(node) {
    if (node.constructor.category === "Z-Image LoRA") foldAdvancedWidgets(node);
  },
});
