// Compare view: a working copy laid over the part of the photo that it was made from, with a slider between the two.

import { h } from "../shared/dom.js";

const STEPS = 100;

/** The comparison: its element, and `show(photo)` for a photo that has a working copy. It stays where people slid it. */
export function makeCompare({ say, urlOf }) {
  const [before, after] = ["zl-under", "zl-upper"].map((className) => h("img", { className, draggable: false }));
  before.alt = say("before");
  after.alt = say("after");
  const line = h("i", { className: "zl-divider" });
  const pic = h("div", { className: "zl-pic zl-overlaid" }, before, after, line);
  const slider = h("input", {
    type: "range", min: 0, max: STEPS, value: STEPS / 2, className: "zl-slider", title: say("slide"), "aria-label": say("slide"),
    dataset: { key: "slide" }, oninput: () => reveal(slider.value / STEPS),
  });
  const ends = h("div", { className: "zl-row zl-ends zl-hint" }, h("span", { textContent: say("before") }), slider, h("span", { textContent: say("after") }));
  const stage = h("div", { className: "zl-stage" }, pic);
  const element = h("div", { className: "zl-comparing" }, stage, ends);
  let shown = ""; // the pictures that are laid over each other

  /** On the left of the line is the photo, on the right the working copy. */
  function reveal(share) {
    pic.style.setProperty("--share", `${share * 100}%`);
  }

  pic.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pic.setPointerCapture(event.pointerId);
    slideTo(event);
  });
  pic.addEventListener("pointermove", (event) => pic.hasPointerCapture(event.pointerId) && slideTo(event));

  function slideTo({ clientX }) {
    const { left, width } = pic.getBoundingClientRect();
    slider.value = Math.round(((clientX - left) / width) * STEPS);
    reveal(slider.value / STEPS);
  }

  function show(photo) {
    const wanted = JSON.stringify([photo.before, photo.after, photo.frame]);
    if (shown === wanted) return;
    shown = wanted;
    [before.src, after.src] = [urlOf(photo.before), urlOf(photo.after)];
    pic.style.setProperty("--ratio", photo.after_size[0] / photo.after_size[1]);
    Object.assign(before.style, placeOf(photo.frame));
  }

  reveal(0.5);
  return { element, show };
}

/** Where the whole photo lies for the part that was kept, given in shares of it, to fill the frame. */
export function placeOf([left, top, right, bottom]) {
  const [width, height] = [right - left, bottom - top];
  const percent = (share) => `${share * 100}%`;
  return { left: percent(-left / width), top: percent(-top / height), width: percent(1 / width), height: percent(1 / height) };
}
