// Kept: what a node keeps of its sweep in the saved workflow, beside its settings: where the last view lies, and votes.

import { isObject } from "../shared/edits_text.js";
import { ANSWERS } from "./votes.js";

export const PROPERTY = "zimage_lora_sweep";
const VERSION = 1;
const MAX_VOTES = 2000;

/** What the property holds: { file: place of the view or null, seed, votes }; of anything else, nothing. */
export function readKept(property) {
  const none = { file: null, seed: null, votes: [] };
  if (!isObject(property) || property.version !== VERSION) return none;
  const { file = null, seed = null, votes = [] } = property;
  return {
    file: isFile(file) ? file : null,
    seed: Number.isInteger(seed) ? seed : null,
    votes: Array.isArray(votes) ? votes.filter(isVote) : [],
  };
}

/** The property's value. */
export function writeKept({ file, seed, votes }) {
  return { version: VERSION, ...(file ? { file } : {}), ...(votes.length ? { seed, votes: votes.slice(-MAX_VOTES) } : {}) };
}

const isText = (value) => typeof value === "string";

const isFile = (file) => isObject(file) && isText(file.filename) && isText(file.subfolder) && isText(file.type);

const isVote = (vote) => isObject(vote) && isText(vote.a) && isText(vote.b) && ANSWERS.includes(vote.better);
