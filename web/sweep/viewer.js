// Viewer: the pictures of a sweep on CheckpointSweep, to look at, to compare blindly, and to choose a checkpoint by.

import { h } from "../shared/dom.js";
import { addView, chain, growTo, hidePictures, keepToItself } from "../shared/on_node.js";
import { makeBlind } from "./blind_view.js";
import { makeDialog } from "../shared/dialog.js";
import { makeGrid } from "./grid_view.js";
import { PROPERTY, readKept, writeKept } from "./kept.js";
import { makeLarge } from "./large_view.js";
import * as viewer from "./state.js";

const MIN_HEIGHT_PX = 460;
const MIN_WIDTH_PX = 560;
const VIEW_VERSION = 1;
const HEARD_AFTER_MS = 1500; // the page that queued the run has its view by then

/** Give a node its viewer; returns how to bring it up to date. `host` is what extension.js knows of ComfyUI. */
export function addSweep(node, host) {
  const widget = node.widgets?.find(({ name }) => name === "choice");
  if (!widget) return undefined;
  const { say, told, urlOf } = host;
  let state = viewer.START;
  let file = null; // where the view lies
  let isLost = false; // it lay there, and does no more
  let given = null; // the view that the node's output held
  let waiting = null; // the file that is being read, or soon will be
  let heard = 0;

  const pictureUrl = (view, row, column) => urlOf({ ...view.folder, filename: view.rows[row].cells[column].name });
  const hands = {
    say, told, urlOf, dispatch, pictureUrl,
    smallUrl(view, row, column) {
      const small = view.rows[row].cells[column].name.replace(/\.png$/, ".jpg");
      return view.small_folder ? urlOf({ ...view.small_folder, filename: small }) : pictureUrl(view, row, column);
    },
    isWired: () => (node.inputs?.find((input) => input.widget?.name === "choice")?.link ?? null) !== null,
    isLost: () => isLost,
    newSeed: () => crypto.getRandomValues(new Uint32Array(1))[0],
    isWide: () => wide.sheet.contains(grid.fill),
    widen: () => (hands.isWide() ? shrink() : widen()),
  };
  const grid = makeGrid(hands);
  const views = [grid, makeLarge(hands), makeBlind(hands)];
  const element = h("div", { className: "zl-box zl-sweep" }, grid.fill);
  const wide = makeDialog({
    label: say("sweep_pictures"), className: "zl-box zl-sweep zl-wide", parts: [], toEvent: () => null, dispatch: () => shrink(),
  });

  function widen() {
    wide.sheet.append(grid.fill);
    wide.show();
    grid.draw(state);
  }

  function shrink() {
    element.append(grid.fill);
    wide.hide();
    grid.draw(state);
  }

  function dispatch(event) {
    const before = state;
    state = viewer.next(before, event);
    if (state === before) return;
    if (event.type === "choose") {
      widget.value = state.choice;
      host.changed(node);
    } else if (event.type !== "kept" && (state.votes !== before.votes || state.seed !== before.seed)) {
      keep();
      host.changed(node);
    }
    for (const view of views) view.draw(state);
    if (before.tag === "large" && state.tag === "grid") grid.focus(before);
  }

  function keep() {
    node.properties[PROPERTY] = writeKept({ ...state, file });
  }

  /** Take what the widget, the workflow and the node's last output hold, wherever they come from. */
  function sync() {
    dispatch({ type: "choice", text: widget.value });
    const kept = readKept(node.properties?.[PROPERTY]);
    const isOther = JSON.stringify([kept.seed, kept.votes]) !== JSON.stringify([state.seed, state.votes]);
    if (isOther) dispatch({ type: "kept", seed: kept.seed, votes: kept.votes });
    file = kept.file ?? file;
    show(host.outputOf(node));
    if (!state.view && !isLost && kept.file && !waiting) read(kept.file);
  }

  function show(output) {
    const [view] = output?.zimage_lora_sweep ?? [];
    if (!view || view === given) return;
    given = view;
    forgetRead();
    take(view);
  }

  function take(view) {
    if (view.version !== VIEW_VERSION) return;
    isLost = false;
    dispatch({ type: "choice", text: widget.value });
    dispatch({ type: "view", view });
  }

  /** A run has ended that this page queued. */
  function executed(output) {
    show(output);
    remember(output?.zimage_lora_sweep_file?.[0]);
  }

  /** Where the view lies belongs to the workflow, so that it is found again after a reload of the page. */
  function remember(place) {
    if (!place || JSON.stringify(place) === JSON.stringify(file)) return;
    file = place;
    keep();
    host.changed(node);
  }

  /** Read a view that lies in the output folder. */
  async function read(place) {
    waiting = place;
    const answer = await host.fetchApi(`/view?${new URLSearchParams(place)}`, { cache: "no-cache" }).catch(() => null);
    const view = answer?.ok ? await answer.json().catch(() => null) : null;
    if (waiting !== place) return; // something newer has come
    waiting = null;
    if (view) return take(view);
    isLost = answer?.status === 404;
    for (const each of views) each.draw(state);
  }

  function forgetRead() {
    waiting = null;
    clearTimeout(heard);
  }

  /**
   * A run has ended that was queued from anywhere. One of another workflow is not for this node, and one of no workflow
   * (a script's) only if it is about the same person.
   */
  function hear({ event, workflow, run, view }) {
    const isOurs = workflow ? workflow === host.workflowId() : !state.view || state.view.run === run;
    if (event !== "Swept" || !isOurs) return;
    clearTimeout(heard);
    heard = setTimeout(() => {
      remember(view);
      read(view);
    }, HEARD_AFTER_MS);
  }

  chain(node, "onConfigure", sync);
  chain(node, "onExecuted", executed);
  chain(node, "onRemoved", () => {
    forgetRead();
    shrink();
    for (const view of views.slice(1)) view.draw(viewer.START);
  });
  chain(node, "onConnectionsChange", () => grid.draw(state));
  chain(widget, "callback", sync);
  keepToItself(element, host);
  hidePictures(node);
  grid.draw(state);
  addView(node, "sweep_viewer", element, { minHeightPx: MIN_HEIGHT_PX });
  growTo(node, MIN_WIDTH_PX);
  return { sync, hear };
}
