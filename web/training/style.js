// Style: how the training panel looks, on top of what shared/style.js gives every view. It adapts to its own width.

const LINE = "1px solid var(--border-color, #4e4e4e)";

export const TRAINING_STYLE = `
.zl-training { min-height: 460px; min-width: 0; container: zl-training / inline-size; display: flex; flex-direction: column; }
.zl-training.zl-place { min-height: 0; height: 100%; min-height: 220px; border: 0; border-radius: 0; container-type: size; }
.zl-training .zl-bar { flex: none; }
.zl-training [role="tab"] { background: none; border-color: transparent; }
.zl-training [role="tab"][aria-selected="true"] { background: var(--comfy-menu-bg, #353535); border-color: var(--border-color, #4e4e4e); font-weight: 600; }
.zl-training-body { flex: 1; min-height: 0; overflow: auto; }
.zl-page { min-height: 100%; }
.zl-training .zl-part { padding: 6px 8px; border-bottom: ${LINE}; display: flex; flex-direction: column; gap: 5px; min-width: 0; }
.zl-training h3, .zl-training h4, .zl-training p { margin: 0; overflow-wrap: anywhere; }
.zl-training h3 { font-size: 13px; }
.zl-training h4 { font-size: 12px; font-weight: 600; }
.zl-training .zl-part.zl-empty { padding: 24px 16px; border: 0; }
.zl-training .zl-own { margin: 6px 8px 0; }
.zl-training .zl-badge { background: color-mix(in srgb, var(--input-text, #ddd) 14%, transparent); }
.zl-training .zl-badge[data-state="running"], .zl-training .zl-badge.zl-good { background: #1d6b3a; color: #fff; }
.zl-training .zl-badge[data-state="failed"] { background: #7a1f1f; color: #fff; }
.zl-training .zl-badge[data-state="interrupted"], .zl-training .zl-badge[data-state="stopped"] { background: #6b4e00; color: #fff; }
.zl-progress { height: 6px; border-radius: 3px; overflow: hidden; background: color-mix(in srgb, var(--input-text, #ddd) 18%, transparent); }
.zl-done { height: 100%; background: #2f9e57; transform: scaleX(0); transform-origin: left; }
.zl-doing { min-height: 1.35em; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.zl-training .zl-remedy { border-left: 3px solid #d79b00; padding-left: 6px; overflow-wrap: anywhere; }
.zl-refused { border-left: 3px solid #c33; padding-left: 6px; }
.zl-feedback:empty { display: none; }
.zl-curve-part > .zl-row { align-items: start; flex-wrap: nowrap; justify-content: space-between; }
.zl-readout { min-height: 2.7em; font-variant-numeric: tabular-nums; }
.zl-smoothing { flex: none; display: inline-flex; gap: 4px; align-items: center; color: var(--descrip-text, #999); }
.zl-training .zl-smoothing select { padding: 1px 3px; color: var(--input-text, #ddd); }
.zl-chart { position: relative; height: 210px; }
.zl-place .zl-chart { height: clamp(150px, 40cqh, 420px); }
.zl-curve { position: absolute; inset: 0; width: 100%; height: 100%; cursor: crosshair; touch-action: pan-y; }
.zl-legend { display: flex; flex-wrap: wrap; gap: 2px 10px; margin: 0; padding: 0; list-style: none; font-size: 11px; color: var(--descrip-text, #999); }
.zl-swatch { display: inline-block; width: 14px; height: 3px; margin-inline-end: 4px; vertical-align: middle; background: currentColor; }
.zl-legend [data-ink="checkpoint"] .zl-swatch { width: 0; height: 0; background: none; border: 4px solid transparent; border-bottom: 7px solid currentColor; border-top: 0; }
.zl-legend [data-ink="recommended"] .zl-swatch { background: none; width: auto; height: auto; font-style: normal; }
.zl-legend [data-ink="recommended"] .zl-swatch::before { content: "★"; }
.zl-ink-raw { color: color-mix(in srgb, #4aa3ff 45%, var(--comfy-input-bg, #222)); }
.zl-ink-trend { color: color-mix(in srgb, #2f8fff 85%, var(--input-text, #ddd)); }
.zl-ink-validation { color: color-mix(in srgb, #e07b00 85%, var(--input-text, #ddd)); }
.zl-ink-checkpoint, .zl-ink-quiet { color: var(--descrip-text, #999); }
.zl-ink-recommended { color: color-mix(in srgb, #2f9e57 85%, var(--input-text, #ddd)); }
.zl-ink-axis { color: var(--border-color, #4e4e4e); }
.zl-ink-text { color: var(--input-text, #ddd); }
.zl-ink-band { color: color-mix(in srgb, var(--input-text, #ddd) 7%, transparent); }
.zl-ink-run-a { color: color-mix(in srgb, #2f8fff 85%, var(--input-text, #ddd)); }
.zl-ink-run-b { color: color-mix(in srgb, #e07b00 85%, var(--input-text, #ddd)); }
.zl-ink-run-c { color: color-mix(in srgb, #2f9e57 85%, var(--input-text, #ddd)); }
.zl-ink-run-d { color: color-mix(in srgb, #d0408f 85%, var(--input-text, #ddd)); }
.zl-ink-run-e { color: color-mix(in srgb, #8a63e0 85%, var(--input-text, #ddd)); }
.zl-ink-run-f { color: color-mix(in srgb, #8a8f00 85%, var(--input-text, #ddd)); }
.zl-numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: 4px 8px; margin: 0; }
.zl-numbers dt { font-size: 11px; color: var(--descrip-text, #999); }
.zl-numbers dd { margin: 0; font-variant-numeric: tabular-nums; font-weight: 600; overflow-wrap: anywhere; }
.zl-memory { display: flex; flex-direction: column; gap: 3px; }
.zl-memory-bar { position: relative; display: flex; height: 12px; border-radius: 3px; overflow: hidden; background: color-mix(in srgb, var(--input-text, #ddd) 14%, transparent); }
.zl-piece { flex: none; opacity: .75; box-shadow: inset -1px 0 var(--comfy-input-bg, #222); }
.zl-piece-weights { background: #2f8fff; }
.zl-piece-lora { background: #2f9e57; }
.zl-piece-activations { background: #e07b00; }
.zl-piece-context { background: #8a8f98; }
.zl-at { position: absolute; top: 0; bottom: 0; width: 2px; margin-left: -1px; background: var(--input-text, #ddd); }
.zl-at-peak { background: none; border-left: 2px dotted var(--input-text, #ddd); }
.zl-warnings ul { margin: 0; padding-left: 18px; max-height: 160px; overflow-y: auto; overflow-wrap: anywhere; }
.zl-warnings li::marker { content: "⚠ "; }
.zl-previews { display: flex; gap: 4px; overflow-x: auto; padding: 2px; }
.zl-box .zl-preview { flex: none; position: relative; padding: 0; width: 76px; height: 76px; cursor: zoom-in; overflow: hidden; }
.zl-preview img { display: block; width: 100%; height: 100%; object-fit: cover; }
.zl-preview span { position: absolute; left: 0; bottom: 0; padding: 0 4px; font-size: 10px; background: #000a; color: #fff; }
.zl-training table { border-collapse: collapse; width: 100%; }
.zl-training th, .zl-training td { text-align: start; font-weight: 400; padding: 2px 6px 2px 0; vertical-align: middle; font-variant-numeric: tabular-nums; }
.zl-training thead th { color: var(--descrip-text, #999); font-size: 11px; }
.zl-training .zl-best th { font-weight: 600; }
.zl-checkpoints td { white-space: nowrap; }
.zl-checkpoints .zl-badge { white-space: normal; }
.zl-checkpoints td:last-child { text-align: end; padding: 1px; }
.zl-checkpoints td button { padding: 1px 6px; white-space: nowrap; }
.zl-runs { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; gap: 3px; }
.zl-run { display: flex; align-items: center; gap: 6px; padding-left: 4px; border-left: 3px solid transparent; content-visibility: auto; contain-intrinsic-size: auto 50px; }
.zl-run.zl-shown { border-left-color: #4aa3ff; }
.zl-box .zl-pick { flex: 1; min-width: 0; display: flex; gap: 8px; align-items: center; text-align: start; padding: 3px 6px; }
.zl-pick img, .zl-no-picture { flex: none; width: 40px; height: 40px; object-fit: cover; border-radius: 3px; background: #0003; }
.zl-facts { min-width: 0; display: flex; flex-direction: column; overflow-wrap: anywhere; }
.zl-facts small { color: var(--descrip-text, #999); font-size: 11px; }
.zl-compare { display: flex; flex-direction: column; gap: 6px; }
.zl-compare > button { align-self: start; }
.zl-letters { font-size: 12px; color: inherit; }
.zl-table { overflow-x: auto; }
.zl-table td, .zl-table thead th { min-width: 70px; max-width: 220px; overflow-wrap: anywhere; white-space: pre-wrap; }
.zl-training .zl-different td { font-weight: 600; }
.zl-table tr { border-bottom: ${LINE}; }
.zl-heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.zl-preview-dialog { width: fit-content; height: fit-content; max-width: 96vw; max-height: 94vh; }
.zl-one-preview { padding: 12px; display: flex; flex-direction: column; gap: 8px; }
.zl-preview-stage img { display: block; max-width: 90vw; max-height: 76vh; min-width: min(384px, 80vw); object-fit: contain; }
.zl-one-preview p { margin: 0; max-width: 70ch; overflow-wrap: anywhere; }
.zl-training [hidden][hidden][hidden], .zl-preview-dialog [hidden] { display: none; }
@container zl-training (min-width: 760px) {
  .zl-shows-run { display: grid; grid-template: "own own" auto "curve head" auto "curve more" 1fr / minmax(0, 3fr) minmax(0, 2fr); }
  .zl-shows-run > .zl-own { grid-area: own; justify-self: start; }
  .zl-shows-run > .zl-curve-part { grid-area: curve; border-right: ${LINE}; border-bottom: 0; align-self: start; position: sticky; top: 0; }
  .zl-shows-run > .zl-head-part { grid-area: head; }
  .zl-shows-run > .zl-more { grid-area: more; border-left: ${LINE}; margin-left: -1px; }
  .zl-chart { height: 300px; }
  .zl-place .zl-chart { height: clamp(130px, calc(100cqh - 125px), 520px); }
}
@container zl-training (max-width: 340px) {
  .zl-checkpoints :is(th, td):nth-child(3) { display: none; }
  .zl-checkpoints td button { white-space: normal; }
}
@media (prefers-reduced-motion: no-preference) {
  .zl-done { transition: transform .3s; }
}
`;
