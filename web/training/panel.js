// Panel: the whole view of trainings, as it stands on a node, in the sidebar and in the bottom panel.

import { h } from "../shared/dom.js";
import { makeCompare } from "./compare_view.js";
import { makeCurve } from "./curve_view.js";
import { makeHead } from "./head_view.js";
import { makeLoading } from "./loading_view.js";
import { makeMade } from "./made_view.js";
import { makeNumbers } from "./numbers_view.js";
import * as panels from "./panel_state.js";
import { makePreviews } from "./previews_view.js";
import { makeRuns } from "./runs_view.js";
import { makeTicker } from "./ticker.js";

const WORDS_EVERY_MS = 250; // people read no faster
const NEWS_EVERY_MS = 500; // a step moves the curve by less than a pixel

/**
 * A panel: its `element`, `start()` and `stop()`. `place` says which run is its own, `ownRun()`, what the settings of a
 * run can be loaded into, `targets()`, and what to say where it has no run, `emptyText`.
 */
export function makePanel(feed, host, place) {
  const { say } = host;
  let panel = panels.begin(host.smoothing());
  let wordsAt = -Infinity;
  let drawnAt = -Infinity;
  let announced = null;

  const hands = {
    ...host, dispatch,
    targets: place.targets,
    redraw: () => ticker.redraw(),
    cursor: () => panel.cursor,
    ask: (what) => ask(shownRun(), what),
    copy: async (text) => announce(say((await host.copy(text)) ? "training_copied" : "training_not_copied", { name: text })),
    enlarge: (previews, index) => large.open(previews, index),
    loaded: (loaded) => dispatch({ type: "loaded", loaded }),
  };
  const large = makePreviews(hands);
  const parts = { head: makeHead(hands), numbers: makeNumbers(hands), curve: makeCurve(hands), made: makeMade(hands), load: makeLoading(hands) };
  const runs = makeRuns(hands);
  const compare = makeCompare(hands);

  const own = h("button", { type: "button", className: "zl-own", dataset: { key: "own" }, textContent: say("training_back"), onclick: () => dispatch({ type: "pick", id: null }) });
  const none = h("div", { className: "zl-part zl-empty zl-hint" });
  const again = h("button", { type: "button", dataset: { key: "again" }, textContent: say("training_again"), onclick: () => feed.dispatch({ type: "again", id: shownId() }) });
  const sides = [
    parts.head.element, parts.curve.element,
    h("div", { className: "zl-more" }, parts.numbers.element, ...parts.made.elements, parts.load.element),
  ];
  const pages = {
    run: h("div", { className: "zl-page" }, none, again, own, ...sides), runs: h("div", { className: "zl-page" }, runs.element),
    compare: h("div", { className: "zl-page" }, compare.element),
  };
  const tabs = Object.fromEntries(panels.TABS.map((tab) => [tab, h("button", {
    type: "button", role: "tab", dataset: { key: tab }, textContent: say(`training_tab_${tab}`), onclick: () => dispatch({ type: "tab", tab }),
  })]));
  const bar = h("div", { className: "zl-bar zl-row", role: "tablist", "aria-label": say("training_title"), onkeydown: turnTabs }, ...Object.values(tabs));
  const body = h("div", { className: "zl-training-body", dataset: { captureWheel: "true" } }, ...Object.values(pages));
  const live = h("div", { className: "zl-heard", role: "status", "aria-live": "polite" });
  const element = h("div", { className: "zl-box zl-training", role: "region", "aria-label": say("training_title") }, bar, body, live);
  const ticker = makeTicker(element, draw);
  for (const tab of panels.TABS) pages[tab].setAttribute("role", "tabpanel");

  function dispatch(event) {
    const before = panel;
    panel = panels.next(before, event);
    if (panel === before) return;
    if (event.type !== "cursor") wordsAt = -Infinity;
    if (panel.smoothing !== before.smoothing) host.keepSmoothing(panel.smoothing);
    for (const id of panel.tab === "compare" ? panel.marked : []) feed.dispatch({ type: "wanted", id });
    ticker.redraw();
  }

  const shownId = () => panel.picked ?? place.ownRun();
  const shownRun = () => feed.state().runs[shownId()];

  /** The server has told something: what people do is drawn at once, this may wait. */
  function hear() {
    const wait = drawnAt + NEWS_EVERY_MS - performance.now();
    if (wait > 0) ticker.redrawIn(wait);
    else ticker.redraw();
  }

  function draw() {
    drawnAt = performance.now();
    const state = feed.state();
    for (const tab of panels.TABS) {
      pages[tab].hidden = tab !== panel.tab;
      tabs[tab].setAttribute("aria-selected", String(tab === panel.tab));
      tabs[tab].tabIndex = tab === panel.tab ? 0 : -1;
    }
    if (panel.tab === "runs") runs.draw(state, panel, shownId());
    else if (panel.tab === "compare") compare.draw(panel.marked.map((id) => state.runs[id]).filter(Boolean), panel);
    else drawRun(state);
  }

  function drawRun(state) {
    const id = shownId();
    const run = state.runs[id];
    if (id && !run) feed.dispatch({ type: "wanted", id });
    none.hidden = Boolean(run);
    again.hidden = !(id && state.unread[id]) || Boolean(run);
    own.hidden = panel.picked === null || panel.picked === place.ownRun() || !place.ownRun();
    for (const side of sides) side.hidden = !run;
    pages.run.classList.toggle("zl-shows-run", Boolean(run));
    if (!run) none.textContent = id ? (state.unread[id] ?? say("training_reading")) : place.emptyText();
    if (!run) return;
    parts.curve.draw(run, panel);
    const wait = wordsAt + WORDS_EVERY_MS - performance.now();
    if (wait > 0) return ticker.redrawIn(wait);
    wordsAt = performance.now();
    parts.head.draw(run);
    parts.numbers.draw(run);
    parts.made.draw(run);
    parts.load.draw(run, panel);
    tell(run);
  }

  /** Say what has changed to those who cannot see it, but not every step. */
  function tell({ summary, live: status, checkpoints }) {
    const stage = status ? say(`training_stage_${status.stage}`) : "";
    const text = [summary.name, say(`training_state_${summary.state}`), stage].filter(Boolean).join(", ");
    const saved = checkpoints.at(-1)?.step ?? 0;
    const now = { id: summary.id, text, saved };
    const isNews = announced && (announced.text !== text || (announced.id === summary.id && announced.saved < saved));
    if (isNews) announce(announced.text === text ? say("training_saved_at", { step: saved }) : text);
    announced = now;
  }

  function announce(text) {
    live.textContent = text;
  }

  async function ask(run, what) {
    if (!run) return;
    const { id, name } = run.summary;
    if (what !== "save") {
      const isSure = await host.confirm(say(`training_${what}`), say(`training_sure_${what}`, { name, step: run.summary.step, total: run.summary.total_steps }));
      if (!isSure) return;
    }
    await feed.ask(id, what);
  }

  function turnTabs(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const names = panels.TABS;
    const tab = names[(names.indexOf(panel.tab) + by + names.length) % names.length];
    dispatch({ type: "tab", tab });
    draw();
    tabs[tab].focus();
  }

  let unsubscribe = null;
  return {
    element,
    redraw: () => ticker.redraw(),
    start() {
      if (unsubscribe) return;
      unsubscribe = feed.subscribe(hear);
      feed.start();
      for (const view of [parts.curve, compare]) view.watch();
      ticker.start();
    },
    stop() {
      unsubscribe?.();
      unsubscribe = null;
      for (const view of [parts.curve, compare]) view.unwatch();
      ticker.stop();
      large.close();
    },
  };
}
