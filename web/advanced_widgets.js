// What the new node design does with our widgets by itself and the classic canvas does not: expert settings fold away, and
// empty text fields say what they are for in the user's language.
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

/** An empty text field shows its id; the label is the same word in the user's language. */
function labelTextFields(node) {
  for (const { element, name, label } of node.widgets ?? []) {
    if (label && element?.placeholder === name) element.placeholder = label;
  }
}

app.registerExtension({
  name: "zimage_lora.advanced_widgets",
  nodeCreated(node) {
    if (node.constructor.category !== "Z-Image LoRA") return;
    foldAdvancedWidgets(node);
    labelTextFields(node);
  },
});
