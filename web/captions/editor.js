// Editor: the captions on AutoCaption, and what people say about them by hand, kept in its `edits`.

import { addView, chain, growTo, hideWidget, keepToItself } from "../shared/on_node.js";
import * as editor from "./state.js";
import { makeTable } from "./table_view.js";

const MIN_HEIGHT_PX = 460;
const MIN_WIDTH_PX = 520;
const PAUSE_MS = 2000; // who stops writing for so long has ended a step

/** Give a node its table; returns how to bring it up to date and to clear it. `host` is what extension.js knows of ComfyUI. */
export function addCaptions(node, host) {
  const widget = node.widgets?.find((each) => each.name === "edits");
  if (!widget) return undefined;
  hideWidget(widget);
  let state = editor.START;
  let given = null; // the rows of the run that is shown
  let pause = null; // runs while a step is being written that the canvas has not been told of
  const table = makeTable({ say: host.say, urlOf: host.urlOf, dispatch });

  function dispatch(event) {
    const before = state;
    state = editor.next(before, event);
    if (state === before) return;
    if (event.type === "loaded") forgetPause();
    else if (state.edits !== before.edits || state.tag !== before.tag) keep(before);
    else if (state.merging === null) tellCanvas();
    table.draw(state);
  }

  /** Write the edits into the widget. The canvas hears of whole steps, so that its undo and ours walk alike. */
  function keep(before) {
    const goesOn = state.merging !== null && state.merging === before.merging;
    if (!goesOn) tellCanvas();
    widget.value = editor.textOf(state);
    clearTimeout(pause);
    pause = setTimeout(() => dispatch({ type: "settle" }), PAUSE_MS);
    if (state.merging === null) tellCanvas();
  }

  function tellCanvas() {
    if (pause === null) return;
    forgetPause();
    host.changed(node);
  }

  function forgetPause() {
    clearTimeout(pause);
    pause = null;
  }

  /** Take what the widget and the node's last output hold, wherever they come from. */
  function sync() {
    dispatch({ type: "loaded", text: String(widget.value ?? "") });
    show(host.outputOf(node));
  }

  function show(output) {
    const { zimage_lora_captions: rows, zimage_lora_caption_findings: findings = [], zimage_lora_caption_edits: edits } = output ?? {};
    if (!rows || rows === given) return;
    given = rows;
    dispatch({ type: "output", rows, findings, applied: edits?.[0] });
  }

  chain(node, "onConfigure", sync);
  chain(node, "onExecuted", show);
  chain(widget, "callback", sync);
  keepToItself(table.element, host);
  table.draw(state);
  addView(node, "caption_editor", table.element, { minHeightPx: MIN_HEIGHT_PX });
  growTo(node, MIN_WIDTH_PX);
  return {
    sync,
    clear: () => dispatch({ type: "clear" }),
    isEmpty: () => editor.textOf(state) === "",
    numEdited: () => Object.keys(state.edits ?? {}).length,
  };
}
