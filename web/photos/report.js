// Report: the picture of DatasetReport as wide as the node, and in full size after a click.

import { h } from "../shared/dom.js";
import { addView, chain, growTo, hidePictures, keepToItself } from "../shared/on_node.js";

const MIN_HEIGHT_PX = 420;
const SIZE_PX = [820, 1000]; // its large type can be read at this size

/** Give a node its view; returns how to bring it up to date. */
export function addReport(node, host) {
  const { say } = host;
  const picture = h("img", { alt: say("report_picture") });
  const open = h("button", { className: "zl-picture", title: say("report_open"), hidden: true, onclick: enlarge }, picture);
  const hint = h("div", { className: "zl-empty zl-hint", textContent: say("report_empty") });
  const scroll = h("div", { className: "zl-scroll", tabIndex: 0, dataset: { captureWheel: "true" } }, hint, open);
  const element = h("div", { className: "zl-box zl-report" }, h("div", { className: "zl-fill" }, scroll));

  function enlarge() {
    const large = h("img", { src: picture.src, alt: picture.alt });
    const close = h("button", { className: "zl-picture", title: say("close"), onclick: () => dialog.close() }, large);
    const dialog = h("dialog", { className: "zl-large zl-full", onclose: () => dialog.remove() }, close);
    dialog.addEventListener("keydown", (event) => event.stopPropagation()); // the canvas has keys of its own
    document.body.append(dialog);
    dialog.showModal();
  }

  function show(output) {
    const [shown] = output?.images ?? [];
    if (!shown) return;
    picture.src = host.urlOf(shown);
    [open.hidden, hint.hidden] = [false, true];
  }

  const sync = () => show(host.outputOf(node));
  chain(node, "onConfigure", sync);
  chain(node, "onExecuted", show);
  keepToItself(element, host);
  hidePictures(node);
  addView(node, "report_picture", element, { minHeightPx: MIN_HEIGHT_PX });
  growTo(node, ...SIZE_PX);
  return { sync };
}
