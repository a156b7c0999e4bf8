// Texts of the browser: both languages say the same things, and every text is used.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";

import { LABELS } from "../../web/photos/edits.js";
import { FILTERS as CAPTION_FILTERS } from "../../web/captions/state.js";
import { FILTERS, TOOLS } from "../../web/photos/state.js";
import { SIZES } from "../../web/sweep/state.js";
import { SCORES } from "../../web/sweep/words.js";
import { nameSome } from "../../web/shared/texts.js";
import { SHARES, TABS } from "../../web/training/panel_state.js";
import { REQUESTS } from "../../web/training/state.js";
import { keysOf, LANGUAGES, sharedKeys, speaker } from "../../web/speaker.js";

test("both languages have the same texts with the same values", () => {
  assert.deepEqual(LANGUAGES, ["en", "zh"]);
  assert.deepEqual(keysOf("zh"), keysOf("en"));
});

test("no view hides another one's text", () => {
  assert.deepEqual(sharedKeys(), []);
});

const ORIGINS = ["edit", "file", "copy", "vision", "template", "automatic"];

/** The kinds of findings that the server names. */
function captionFindings() {
  const said = JSON.parse(readFileSync(new URL("../../trainer/messages/en.json", import.meta.url), "utf8"));
  return Object.keys(said).filter((key) => key.startsWith("captions.lint.")).map((key) => key.split(".").at(-1));
}

/** The texts of the training panel whose keys are put together. */
function trainingTexts() {
  const kinds = {
    "": ["memory", "steps", "per_step", "left", "end", "rate", "validation", "photos", "warnings", "previews", "checkpoints", "step", "size", ...REQUESTS],
    tab: TABS, smooth: Object.keys(SHARES), state: ["running", "finished", "stopped", "failed", "interrupted", "elsewhere"],
    next: ["stopped", "failed", "interrupted", "elsewhere"], stage: ["masks", "text", "latents", "model", "train"],
    why: REQUESTS, asked: REQUESTS, done: REQUESTS, sure: ["finish", "cancel"], left: ["gone", "refused", "wired"],
    part: ["weights", "lora", "activations", "context"], ink: ["raw", "trend", "validation", "checkpoint", "recommended"],
  };
  return Object.entries(kinds).flatMap(([kind, names]) => names.map((name) => `training_${kind}${kind && "_"}${name}`));
}

test("Chinese texts are Chinese", () => {
  const say = speaker("zh-TW");
  const plain = Object.keys(keysOf("zh")).filter((key) => !/[\u4e00-\u9fff]/.test(say(key)));
  assert.deepEqual(plain, ["size"]);
});

test("every text is used, and every text that is asked for exists", () => {
  const web = new URL("../../web/", import.meta.url);
  const names = readdirSync(web, { recursive: true }).filter((name) => name.endsWith(".js"));
  const code = names.map((name) => readFileSync(new URL(name.replaceAll("\\", "/"), web), "utf8")).join("\n");
  const composed = [
    ...FILTERS.map((filter) => `filter_${filter}`), ...TOOLS.flatMap((tool) => [`tool_${tool}`, `hint_${tool}`]),
    ...Object.keys(LABELS), ...Object.values(LABELS).flat(),
    ...CAPTION_FILTERS.map((filter) => `filter_${filter}`), ...ORIGINS.map((origin) => `origin_${origin}`),
    ...captionFindings().map((kind) => `kind_${kind}`),
    ...Object.keys(SIZES).map((size) => `size_${size}`),
    ...trainingTexts(),
    ...[...SCORES, "flexibility", "grain"].flatMap((score) => [`score_${score}`, `why_${score}`]),
  ];
  const unused = Object.keys(keysOf("en")).filter((key) => !composed.includes(key) && !code.includes(`"${key}"`));
  assert.deepEqual(unused, []);
  const asked = [...code.matchAll(/\bsay\("(\w+)"/g)].map(([, key]) => key);
  assert.deepEqual([...composed, ...asked].filter((key) => !(key in keysOf("en"))), []);
});

test("a language that we do not speak reads English", () => {
  assert.equal(speaker("fr")("undo"), "Undo");
  assert.equal(speaker(undefined)("badge_findings", { count: 3 }), "Findings: 3");
  assert.equal(nameSome(speaker("en"), ["a", "b", "c"], 2), "a, b and 1 more");
});
