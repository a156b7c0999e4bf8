// Grid view: all photos before and after, on the node. Draws the state; what people do becomes events.

import { isWhole } from "./boxes.js";
import { h, place, refill, swap } from "../shared/dom.js";
import * as editor from "./state.js";

/** The grid: its element, and `draw(state)`. `urlOf` gives the address of a file of the node's output. */
export function makeGrid({ say, urlOf, dispatch }) {
  const bar = h("div", { className: "zl-bar zl-row" });
  const note = h("div", { className: "zl-note", role: "status" });
  // Without the focus in here, the canvas takes the wheel.
  const scroll = h("div", { className: "zl-scroll", tabIndex: 0, dataset: { captureWheel: "true" } });
  const fill = h("div", { className: "zl-fill" }, bar, note, scroll);
  const element = h("div", { className: "zl-box zl-photos" }, fill);
  const cards = new Map(); // by content: { shows, card }

  function cardOf(state, photo, number) {
    const shows = [photo, state.edits[photo.hash], state.applied[photo.hash], number];
    const known = cards.get(photo.hash);
    if (known && shows.every((each, index) => each === known.shows[index])) return known.card;
    const card = drawCard({ say, urlOf, dispatch }, state, photo, number);
    cards.set(photo.hash, { shows, card });
    return card;
  }

  function draw(state) {
    const readable = state.tag !== "unreadable";
    bar.hidden = !readable || state.photos.length === 0;
    if (!bar.hidden) refill(bar, ...barOf({ say, dispatch }, state));
    const said = readable ? (editor.anyWaiting(state) ? say("waiting") : "") : say("unreadable");
    note.textContent = said;
    note.hidden = !said;
    note.classList.toggle("zl-bad", !readable);
    const numbers = new Map(state.photos.map((photo, index) => [photo.hash, index + 1]));
    for (const hash of cards.keys()) if (!numbers.has(hash)) cards.delete(hash);
    const photos = readable ? editor.shown(state) : [];
    const wanted = photos.map((photo) => cardOf(state, photo, numbers.get(photo.hash)));
    if (!wanted.length) {
      wanted.push(h("div", { className: "zl-empty zl-hint", textContent: say(state.photos.length ? "nothing_here" : "empty") }));
    }
    show(scroll, wanted);
  }

  return { element, draw };
}

/** Put the cards into the list. Those that are there already stay untouched, so that one edit among hundreds is quick. */
function show(scroll, wanted) {
  const there = [...scroll.children];
  const changes = wanted.map((card, index) => [there[index], card]).filter(([old, card]) => old !== card);
  if (wanted.length === there.length && changes.every(([, card]) => !card.isConnected)) {
    for (const [old, card] of changes) swap(old, card);
    return;
  }
  const top = scroll.scrollTop;
  refill(scroll, ...wanted);
  scroll.scrollTop = top;
}

function barOf({ say, dispatch }, state) {
  const options = editor.FILTERS.map((filter) => {
    const count = editor.shown(state, filter).length;
    return h("option", { value: filter, textContent: say(`filter_${filter}`, { count }), selected: filter === state.filter });
  });
  const change = (event) => dispatch({ type: "filter", filter: event.target.value });
  const button = (key, sign, disabled) => {
    const named = { textContent: sign, title: say(key), "aria-label": say(key), dataset: { key } };
    return h("button", { ...named, disabled, onclick: () => dispatch({ type: key }) });
  };
  return [
    h("select", { title: say("filter"), "aria-label": say("filter"), dataset: { key: "filter" }, onchange: change }, ...options),
    h("span", { className: "zl-space" }),
    button("undo", "↶", !state.past.length),
    button("redo", "↷", !state.future.length),
  ];
}

function drawCard({ say, urlOf, dispatch }, state, photo, number) {
  const { hash, name } = photo;
  const [out, waiting] = [editor.isOut(state, photo), editor.isWaiting(state, hash)];
  const before = half(say("before"), urlOf(photo.before_small ?? photo.before), photo.size);
  const crop = editor.cropOf(state, photo);
  if (before.firstChild && !isWhole(crop)) before.firstChild.append(place(h("i", { className: "zl-kept" }), crop));
  const after = half(say("after"), photo.after && urlOf(photo.after_small ?? photo.after), photo.after_size);
  const open = { title: say("open", { name }), "aria-label": say("open", { name }), dataset: { key: `open ${hash}` } };
  const use = { dataset: { key: `use ${hash}` }, onclick: () => dispatch({ type: "use", hash, value: out }) };
  return h(
    "article",
    { className: ["zl-card", out && "zl-out", hash in state.edits && "zl-edited"].filter(Boolean).join(" "), dataset: { hash } },
    h("button", { className: "zl-pair", ...open, onclick: () => dispatch({ type: "open", hash }) }, before, after),
    h("div", { className: "zl-name", title: name, textContent: `${number}. ${name}` }),
    h("div", { className: "zl-badges" }, ...badgesOf(say, state, photo, waiting)),
    out && h("div", { className: "zl-reason", title: photo.set_aside?.reason ?? "", textContent: reasonOf(say, state, photo) }),
    h("button", { className: "zl-use", ...use, textContent: say(out ? "take_back" : "leave_out") }),
  );
}

/** Why a photo is out, as far as is known. */
export function reasonOf(say, state, photo) {
  const edit = editor.editOf(state, photo.hash);
  return edit.use === false ? say("left_out") : (photo.set_aside?.reason ?? say("set_aside"));
}

function half(label, url, size) {
  const frame = h("span", { className: "zl-half" });
  if (!url) return frame;
  const image = h("img", { src: url, alt: label, loading: "lazy", decoding: "async", draggable: false });
  const pic = h("span", { className: "zl-pic" }, image);
  pic.style.setProperty("--ratio", size[0] / size[1]);
  frame.append(pic);
  return frame;
}

function badgesOf(say, state, photo, waiting) {
  const badge = (text, kind = "", title = "") => h("span", { className: `zl-badge ${kind}`, textContent: text, title });
  const labels = { ...photo.labels, ...editor.editOf(state, photo.hash).labels };
  const told = ["shot", "pose"].filter((label) => labels[label] && labels[label] !== "unknown");
  const { findings, faces } = photo;
  return [
    ...told.map((label) => badge(say(labels[label]))),
    faces.length > 1 && badge(say("badge_people", { count: faces.length })),
    findings.length > 0 && badge(say("badge_findings", { count: findings.length }), "zl-warn", findings.join("\n")),
    photo.hash in state.edits && badge(say("badge_edited"), "zl-hand"),
    waiting && badge(say("badge_waiting"), "zl-warn"),
  ];
}
