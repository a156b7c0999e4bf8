// What the sweep tests share: a view as the node gives it, of so many rows and columns.

const said = (text) => ({ en: text, zh: `${text} 步` });

/** A view: the untrained row, then one per step; `numColumns` columns with the person and one canary. */
export function viewOf(steps, numColumns, marks = {}) {
  const columns = Array.from({ length: numColumns }, (_, at) => ({ prompt: `prompt ${at >> 1}`, seed: at % 2, is_canary: false }));
  columns.push({ prompt: "a person", seed: 0, is_canary: true });
  const rows = [0, ...steps].map((step) => ({
    key: `${step}@0.8`, step, strength: step ? 0.8 : 0, label: said(`step ${step}`), choice: step ? String(step) : null,
    mark: marks[step] ?? "", rejected: null, num_copies: 0, flexibility: null, grain: null,
    scores: { likeness: null, gain: null, agreement: null, variety: null, drift: null, balance: null, by_heart: null, validation: null },
    cells: columns.map((_, at) => ({ name: nameOf(step, at), likeness: null, copied: null })),
  }));
  return {
    version: 1, run: "mila-00000000", run_name: "mila", choice: "recommended", picture_px: [128, 128], photos: {},
    folder: { subfolder: "s", type: "output" }, small_folder: null, columns, rows, reasons: [], remedies: [], notes: [],
    scorer: null, ceiling: null,
  };
}

const nameOf = (step, column) => `${step}x${column}y`.padEnd(12, "0").padEnd(32, "f") + ".png";
