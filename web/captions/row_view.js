// Row view: one photo's caption, what is unusual, and whether there is a face. Redraws in place, so that nothing that
// people are writing is lost; while letters are being composed (Chinese, Japanese ...) it keeps its hands off.

import { h, write } from "../shared/dom.js";
import { writing } from "./writing.js";
import * as editor from "./state.js";

const FACE_ANSWERS = [null, false, true]; // what `faceless` may be

/** A row: its element, `draw(state, row, index)` and `focus()`. Drawn with another photo, it is that photo's row. */
export function makeRow({ say, urlOf, dispatch, go, entered, left }) {
  let [key, hash] = [null, null];
  const number = h("span", { className: "zl-number" });
  const badges = h("span", { className: "zl-badges" });
  const title = h("span", { className: "zl-name" });
  const area = h("textarea", {
    rows: 2, spellcheck: false, onfocus: () => { before = area.value; }, onkeydown: keyPressed,
  });
  const caption = writing(area, (text) => dispatch({ type: "caption", hash, text }));
  const feature = h("input", {
    type: "text", placeholder: say("feature"), title: say("feature_hint"),
    onfocus: () => { before = feature.value; }, onkeydown: fieldKeyPressed,
  });
  const unusual = writing(feature, (text) => dispatch({ type: "feature", hash, text }));
  const face = h("select", {
    title: say("face_hint"),
    onchange: () => dispatch({ type: "faceless", hash, value: FACE_ANSWERS[face.selectedIndex] }),
  }, ...["face_open", "face_there", "face_absent"].map((key) => h("option", { textContent: say(key) })));
  const restore = h("button", {
    textContent: "↺", title: say("restore_caption"), "aria-label": say("restore_caption"),
    onclick: () => {
      dispatch({ type: "restore", hash });
      focus(); // the button has nothing more to do
    },
  });
  const image = h("img", { alt: "", decoding: "async", draggable: false });
  const element = h(
    "article",
    {
      className: "zl-caption", role: "listitem",
      onfocusin: () => entered(key), onfocusout: (event) => left(element.contains(event.relatedTarget)),
    },
    h("div", { className: "zl-thumb" }, image),
    h(
      "div",
      { className: "zl-words" },
      h("div", { className: "zl-row zl-title" }, number, title, badges),
      area,
      h("div", { className: "zl-row zl-fields" }, feature, face, restore),
    ),
  );

  let before = ""; // the text when people came to it
  let drawn = [];

  function keyPressed(event) {
    const { key: pressed, ctrlKey, metaKey, shiftKey } = event;
    if (event.isComposing || event.keyCode === 229) return; // the keys of an input method
    if (ctrlKey || metaKey) return;
    const [start, end] = [area.selectionStart, area.selectionEnd];
    if (pressed === "Enter") go(key, shiftKey ? -1 : 1);
    else if (pressed === "ArrowDown" && !shiftKey && start === end && end === area.value.length) go(key, 1);
    else if (pressed === "ArrowUp" && !shiftKey && start === end && start === 0) go(key, -1);
    else if (pressed === "Escape") takeBack(area, "caption");
    else return;
    event.preventDefault();
  }

  /** What stood there when people came to the field. */
  function takeBack(field, type) {
    dispatch({ type, hash, text: before });
    field.value = before;
    field.select();
  }

  function fieldKeyPressed(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter") go(key, 0);
    else if (event.key === "Escape") takeBack(feature, "feature");
    else return;
    event.preventDefault();
  }

  /** Be another photo's row. */
  function become(row) {
    const { name } = row;
    [key, hash, before, drawn] = [row.key, row.hash, "", []];
    for (const field of [caption, unusual]) field.reset();
    element.dataset.hash = hash;
    write(title, name);
    title.title = name;
    image.src = urlOf(row.thumb);
    const said = [[area, "caption_of"], [feature, "feature_of"], [face, "face_of"]];
    for (const [field, label] of said) field.setAttribute("aria-label", say(label, { name }));
  }

  function draw(state, row, index) {
    if (row.key !== key) become(row);
    const edit = editor.editOf(state, hash);
    caption.draw(editor.captionOf(state, row));
    unusual.draw(edit.feature ?? row.feature);
    const shows = [row, state.edits[hash], state.applied[hash], index, state.byHash];
    if (shows.every((each, at) => each === drawn[at]) && drawn.length) return;
    drawn = shows;
    const isWaiting = editor.isWaiting(state, hash);
    write(number, `${index + 1}.`);
    const isByHand = edit.caption !== undefined;
    for (const field of [feature, face]) field.disabled = isByHand; // such a caption says all by itself
    face.selectedIndex = FACE_ANSWERS.indexOf(edit.faceless ?? null);
    restore.disabled = !(hash in state.edits);
    element.classList.toggle("zl-edited", hash in state.edits);
    drawBadges(badges, badgesOf(say, state, row, isByHand, isWaiting));
  }

  function focus() {
    area.focus({ preventScroll: true });
    area.setSelectionRange(area.value.length, area.value.length);
  }

  return { element, draw, focus };
}

function badgesOf(say, state, row, isByHand, isWaiting) {
  const origin = isByHand ? "edit" : isWaiting && row.origin === "edit" ? "automatic" : row.origin;
  const findings = editor.findingsOf(state, row.hash).map(({ kind, text }) => [`kind_${kind}`, "zl-warn", text]);
  const all = [[`origin_${origin}`, origin === "edit" ? "zl-hand" : "", ""], ...findings];
  if (isWaiting) all.push(["badge_waiting", "zl-warn", ""]);
  return all.map(([text, kind, title]) => ({ text: say(text), className: `zl-badge ${kind}`, title }));
}

/** Show badges, in the elements that are there as far as they go. */
function drawBadges(box, badges) {
  while (box.children.length > badges.length) box.lastChild.remove();
  for (const [at, { text, className, title }] of badges.entries()) {
    const badge = box.children[at] ?? box.appendChild(h("span"));
    write(badge, text);
    if (badge.className !== className) badge.className = className;
    if (badge.title !== title) badge.title = title;
  }
}
