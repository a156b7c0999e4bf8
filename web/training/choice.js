// Choice: which run a place shows. Pure.

import { placeOf } from "./state.js";

/**
 * The run of a node: the one that its own events named, else that of its last output, else the one of its name.
 * `node` is { id, workflow, output, kept, runName }. Null where it has none.
 */
export function runOfNode(state, { id, workflow, output, kept, runName }) {
  const told = state.nodes[placeOf(id, workflow)] ?? state.nodes[placeOf(id, null)];
  if (told) return told;
  const has = (run) => state.list?.some((summary) => summary.id === run);
  if (output && (has(output) || !state.list)) return output;
  if (kept && has(kept)) return kept;
  const name = runName?.trim();
  return (name && state.list?.find((summary) => summary.name === name)?.id) || null;
}

/** The run that a page shows which stands on no node: the one in progress, else the one that changed last. */
export function runOfPage(state) {
  const live = Object.keys(state.runs).find((id) => state.runs[id].live);
  const newest = (state.list ?? []).toSorted((one, other) => other.changed_at - one.changed_at);
  return live ?? newest.find(({ state: tag }) => tag === "running")?.id ?? newest[0]?.id ?? null;
}
