// On node: what every view of ours needs on a ComfyUI node, in the classic design and the new one. Knows no photo.

const SHOWN_AFTER_MS = 200; // by then the front end shows a new node, or goes on to show the one before
const TEXT_WIDGET = "$$node-text-preview"; // ComfyUI's own, for what a node says while it runs
const [LINE_PX, TEXT_MARGIN_PX, LETTER_PX, WIDE_LETTER_PX] = [20, 40, 7, 14];

/** Call `after` whenever the target's method has been called. */
export function chain(target, name, after) {
  const before = target[name];
  target[name] = function (...given) {
    const answer = before?.apply(this, given);
    after(...given);
    return answer;
  };
}

/** Put a view on the node that is neither a setting nor part of the saved workflow. */
export function addView(node, name, element, { minHeightPx, maxHeightPx }) {
  const options = { serialize: false, hideOnZoom: false, getMinHeight: () => minHeightPx, margin: 10 };
  const widget = node.addDOMWidget(name, `zimage_lora_${name}`, element, {
    ...options, ...(maxHeightPx ? { getMaxHeight: () => maxHeightPx } : {}),
  });
  widget.serialize = false; // the option keeps it out of the queue, this one out of the file
  chain(node, "onAdded", () => takePlace(node, name, element));
  chain(node, "addCustomWidget", (other) => other?.name === TEXT_WIDGET && keepSmall(node, other));
}

/** Let ComfyUI's text under a node be as high as its lines: else it takes half of what the node could give the view. */
function keepSmall(node, widget) {
  const widthOf = (line) => [...line].reduce((px, letter) => px + (letter < "\u2e80" ? LETTER_PX : WIDE_LETTER_PX), 0);
  const numLines = () => String(widget.value ?? "").split("\n")
    .reduce((count, line) => count + Math.max(1, Math.ceil(widthOf(line) / (node.size[0] - TEXT_MARGIN_PX))), 0);
  widget.options.getMaxHeight = () => Math.max(widget.options.getMinHeight?.() ?? 0, TEXT_MARGIN_PX + LINE_PX * numLines());
}

/**
 * Have the view shown where the same view of a node that is gone is shown. When the canvas undoes, it makes all nodes
 * anew; the new node design then goes on to show the elements of those before.
 */
function takePlace(node, name, element) {
  element.dataset.view = `${name} ${node.id}`;
  element.zlNode = node;
  setTimeout(() => {
    if (element.isConnected) return;
    const isGone = (other) => other.graph?.getNodeById(other.id) !== other;
    const shown = [...document.querySelectorAll(`[data-view="${CSS.escape(element.dataset.view)}"]`)];
    shown.find(({ zlNode }) => zlNode && isGone(zlNode))?.replaceWith(element);
  }, SHOWN_AFTER_MS);
}

/** Make the node at least this large, and as large as its widgets need. */
export function growTo(node, widthPx, heightPx = 0) {
  node.setSize([Math.max(node.size[0], widthPx), Math.max(node.size[1], heightPx, node.computeSize()[1])]);
}

/** Our view shows the same as the pictures in the output, and better; other programs still find them there. */
export function hidePictures(node) {
  node.hideOutputImages = true; // the new node design
  node.onDrawBackground = () => {}; // the classic one
}

/** A view says all that the widget's text does, and better. */
export function hideWidget(widget) {
  widget.options.hidden = true; // the new node design reads this one
  Object.defineProperty(widget, "hidden", { configurable: true, get: () => true, set: () => {} });
}

/** Keys are for the view that has the focus; the canvas gets zooming, and the wheel where nothing scrolls. */
export function keepToItself(element, host) {
  element.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); // else Delete would delete the node
  });
  element.addEventListener(
    "wheel",
    (event) => {
      const scroll = event.target.closest?.("[data-capture-wheel]");
      const scrolls = scroll && scroll.scrollHeight > scroll.clientHeight;
      if (event.ctrlKey || event.metaKey || !scrolls) host.wheelToCanvas(event);
    },
    { passive: false },
  );
}
