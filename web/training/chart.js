// Chart: a canvas with its colours, size and cursor. Draws by what it is given; knows no run.

import { h } from "../shared/dom.js";
import { clear } from "./paint.js";

const MIN_SHARPNESS = 1.5; // a node that is zoomed into stays readable until it is drawn again
const MAX_SHARPNESS = 4;

/**
 * A canvas in a box. `onPoint(x or null)` hears where the pointer is, `onKey(key)` what is pressed and returns whether
 * that meant something, `onChange()` that it has another size or palette. `inkNames` are the classes of the colours.
 */
export function makeChart({ label, inkNames, onPoint, onKey, onChange }) {
  const canvas = h("canvas", { className: "zl-curve", tabIndex: 0, role: "slider", "aria-label": label, dataset: { key: "curve" } });
  const probes = inkNames.map((name) => h("i", { className: `zl-ink zl-ink-${name}` }));
  const box = h("div", { className: "zl-chart" }, canvas, h("span", { hidden: true }, ...probes));
  let inks = null;
  let size = { width: 0, height: 0 };
  let sharpness = MIN_SHARPNESS; // measured when there is reason to: at each drawing the whole page would be laid out for it

  canvas.addEventListener("pointermove", ({ offsetX }) => {
    measure(); // people have zoomed, perhaps
    onPoint(offsetX);
  });
  canvas.addEventListener("pointerleave", () => onPoint(null));
  canvas.addEventListener("pointerdown", (event) => event.stopPropagation());
  canvas.addEventListener("pointerenter", () => {
    measure();
    onChange();
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !onKey(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  const sizes = new ResizeObserver(([{ contentRect: { width, height } }]) => {
    size = { width, height };
    measure();
    onChange();
  });
  const palettes = new MutationObserver(() => {
    inks = null;
    onChange();
  });

  function measure() {
    const zoom = canvas.getBoundingClientRect().width / (canvas.offsetWidth || 1);
    sharpness = Math.min(MAX_SHARPNESS, Math.max(MIN_SHARPNESS, window.devicePixelRatio * zoom));
  }

  return {
    box,
    canvas,
    watch() {
      inks = null;
      sizes.observe(box);
      for (const element of [document.documentElement, document.body]) {
        palettes.observe(element, { attributes: true, attributeFilter: ["style", "class"] });
      }
    },
    unwatch() {
      sizes.disconnect();
      palettes.disconnect();
    },
    /** { width, height } in CSS pixels; nothing to draw on while either is 0. */
    size: () => size,
    /** The colours by name, as the palette has them. */
    inks() {
      inks ??= Object.fromEntries(inkNames.map((name, index) => [name, getComputedStyle(probes[index]).color]));
      return inks;
    },
    /** The emptied canvas. */
    clear() {
      return clear(canvas, size.width, size.height, sharpness);
    },
    /** What a screen reader says of the cursor. */
    say({ min, max, now, text }) {
      for (const [name, value] of Object.entries({ valuemin: min, valuemax: max, valuenow: now, valuetext: text })) {
        if (canvas.getAttribute(`aria-${name}`) !== String(value)) canvas.setAttribute(`aria-${name}`, value);
      }
    },
  };
}
