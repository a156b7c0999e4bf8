// Tools view: what stands above the captions: the filter, finding and replacing, undo, and what the captions want.

import { h, refill } from "../shared/dom.js";
import * as editor from "./state.js";

/** The tools: their elements from top to bottom, and `draw(state)`. */
export function makeTools({ say, dispatch }) {
  const filter = h("select", {
    title: say("filter"), "aria-label": say("filter"), dataset: { key: "filter" },
    onchange: () => dispatch({ type: "filter", filter: filter.value }),
  });
  const search = textField("search", (text) => dispatch({ type: "search", text }));
  const replaceButton = button("find_replace", () => dispatch({ type: "openReplacing" }));
  const [undo, redo] = [button("undo", () => dispatch({ type: "undo" }), "↶"), button("redo", () => dispatch({ type: "redo" }), "↷")];
  const bar = h("div", { className: "zl-bar zl-row" }, filter, search, replaceButton, h("span", { className: "zl-space" }), undo, redo);

  const find = textField("find", (text) => dispatch({ type: "replacing", fields: { find: text } }));
  const by = textField("replace_by", (text) => dispatch({ type: "replacing", fields: { by: text } }));
  const matchCase = h("input", {
    type: "checkbox", onchange: () => dispatch({ type: "replacing", fields: { matchCase: matchCase.checked } }),
  });
  const replaceAll = button("replace", () => dispatch({ type: "replaceAll" }), " ");
  replaceAll.className = "zl-replace";
  const replaceBar = h("div", { className: "zl-bar zl-row" }, find, by, h("label", { className: "zl-row" }, matchCase, say("match_case")), replaceAll);

  const note = h("div", { className: "zl-note", role: "status" });
  const strangers = h("div", { className: "zl-bar zl-row zl-hint" });
  const findings = h("div", { className: "zl-findings", dataset: { captureWheel: "true" } });
  let drawn = [];

  /** A field of text that tells what is in it, but not half a Chinese word. */
  function textField(key, tell) {
    const field = h("input", {
      type: "text", placeholder: say(key), "aria-label": say(key), dataset: { key },
      oninput: (event) => !event.isComposing && tell(field.value),
      oncompositionend: () => tell(field.value),
    });
    return field;
  }

  function button(key, onclick, sign = say(key)) {
    return h("button", { textContent: sign, title: say(key), "aria-label": say(key), dataset: { key }, onclick });
  }

  function draw(state) {
    const readable = state.tag === "table";
    const isFilled = readable && state.rows.length > 0;
    bar.hidden = !isFilled;
    replaceBar.hidden = !isFilled || !state.replacing;
    const said = readable ? (editor.anyWaiting(state) ? say("waiting") : "") : say("unreadable");
    note.textContent = said;
    note.hidden = !said;
    note.classList.toggle("zl-bad", !readable);
    findings.hidden = !isFilled || !state.findings.length;
    strangers.hidden = true;
    if (!isFilled) return;
    undo.disabled = !state.past.length;
    redo.disabled = !state.future.length;
    replaceButton.setAttribute("aria-pressed", String(Boolean(state.replacing)));
    drawReplacing(state);
    drawFilters(state);
    const shows = [state.findings, state.edits, state.rows, state.filter];
    if (shows.every((each, at) => each === drawn[at])) return;
    drawn = shows;
    refill(findings, ...state.findings.map((finding, index) => drawFinding(state, finding, index)));
    drawStrangers(state);
  }

  function drawReplacing(state) {
    if (!state.replacing) return;
    for (const [field, value] of [[find, state.replacing.find], [by, state.replacing.by]]) {
      if (document.activeElement !== field) field.value = value;
    }
    matchCase.checked = state.replacing.matchCase;
    const { changes, places } = editor.replacements(state);
    replaceAll.textContent = say("replace_in", { places, count: changes.length });
    replaceAll.disabled = !changes.length;
  }

  function drawFilters(state) {
    const named = editor.FILTERS.map((key) => [key, say(`filter_${key}`, { count: editor.shown(state, key).length })]);
    const kinds = editor.kindsOf(state).map(({ kind, count }) => [kind, `– ${say(`kind_${kind}`)} (${count})`]);
    const wanted = [named[0], named[1], ...kinds, named[2]];
    const same = filter.options.length === wanted.length && wanted.every(([key, text], at) => filter.options[at].value === key && filter.options[at].text === text);
    if (!same) filter.replaceChildren(...wanted.map(([value, textContent]) => h("option", { value, textContent })));
    filter.value = state.filter;
  }

  function drawFinding(state, { kind, text, fixes }, index) {
    const show = h("button", {
      className: "zl-show", textContent: text, title: say("show_these"), "aria-pressed": String(state.filter === kind), dataset: { key: `show ${index}` },
      onclick: () => dispatch({ type: "filter", filter: state.filter === kind ? "all" : kind }),
    });
    const mend = fixes.map((fix, at) =>
      h("button", {
        className: "zl-fix", textContent: fix.label, disabled: editor.isFixed(state, fix), dataset: { key: `fix ${index} ${at}` },
        onclick: () => dispatch({ type: "fix", fix }),
      }));
    return h("div", { className: "zl-finding", dataset: { kind } }, show, h("div", { className: "zl-row" }, ...mend));
  }

  function drawStrangers(state) {
    const count = editor.strangers(state).length;
    strangers.hidden = count === 0;
    if (!count) return;
    const forget = h("button", { textContent: say("forget"), dataset: { key: "forget" }, onclick: () => dispatch({ type: "forgetStrangers" }) });
    refill(strangers, h("span", { textContent: say("strangers", { count }) }), forget);
  }

  return { elements: [bar, replaceBar, note, findings, strangers], draw };
}
