// Editor: the photos on CleanAndResize before and after, and what people say about them by hand, kept in its `edits`.

import { makeGrid } from "./grid_view.js";
import { makeLarge } from "./large_view.js";
import { addView, chain, growTo, hidePictures, hideWidget, keepToItself } from "../shared/on_node.js";
import * as editor from "./state.js";

const MIN_HEIGHT_PX = 420;
const MIN_WIDTH_PX = 460;

/** Give a node its grid; returns how to bring it up to date and to clear it. `host` is what extension.js knows of ComfyUI. */
export function addEditor(node, host) {
  const widget = node.widgets?.find((each) => each.name === "edits");
  if (!widget) return undefined;
  hideWidget(widget);
  let state = editor.START;

  const hands = { say: host.say, urlOf: host.urlOf, dispatch };
  const grid = makeGrid(hands);
  const large = makeLarge(hands);

  function dispatch(event) {
    const before = state;
    state = editor.next(before, event);
    if (state === before) return;
    const isEdited = state.edits !== before.edits || (before.tag === "unreadable") !== (state.tag === "unreadable");
    if (isEdited && event.type !== "loaded") {
      widget.value = editor.textOf(state);
      host.changed(node);
    }
    draw();
  }

  function draw() {
    grid.draw(state);
    large.draw(state);
  }

  /** Take what the widget and the node's last output hold, wherever they come from. */
  function sync() {
    dispatch({ type: "loaded", text: String(widget.value ?? "") });
    const output = host.outputOf(node);
    if (output?.zimage_lora_photos) show(output);
  }

  function show({ zimage_lora_photos: photos, zimage_lora_edits: [applied] = [""] }) {
    if (photos !== state.photos) dispatch({ type: "photos", photos, applied });
  }

  chain(node, "onConfigure", sync);
  chain(node, "onExecuted", (output) => output?.zimage_lora_photos && show(output));
  chain(node, "onRemoved", () => large.draw(editor.START));
  chain(widget, "callback", sync);
  keepToItself(grid.element, host);
  hidePictures(node);
  draw();
  addView(node, "photo_editor", grid.element, { minHeightPx: MIN_HEIGHT_PX });
  growTo(node, MIN_WIDTH_PX);
  return {
    sync,
    clear: () => dispatch({ type: "clear" }),
    isEmpty: () => editor.textOf(state) === "",
    numEdited: () => Object.keys(state.edits ?? {}).length,
  };
}
