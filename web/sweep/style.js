// Style: how the sweep viewer looks, on top of what shared/style.js gives every view.

export const SWEEP_STYLE = `
.zl-sweep { min-height: 460px; }
.zl-sweep [hidden] { display: none; }
.zl-verdict { flex: none; max-height: 30%; overflow-y: auto; padding: 6px 8px; display: flex; flex-direction: column; gap: 4px;
  border-bottom: 1px solid var(--border-color, #4e4e4e); overflow-wrap: anywhere; }
.zl-reasoned { font-weight: 600; }
.zl-verdict summary { cursor: pointer; color: var(--descrip-text, #999); }
.zl-sweep-remedy { border-left: 3px solid #d79b00; padding-left: 6px; }
.zl-choice { flex: none; padding: 5px 8px; border-bottom: 1px solid var(--border-color, #4e4e4e); color: var(--descrip-text, #999); }
.zl-badge.zl-sweep-good { background: #1d6b3a; color: #fff; }
.zl-sweep .zl-sweep-grid:not([hidden]) { display: block; padding: 0; overflow: auto; background: var(--comfy-input-bg, #222); }
.zl-inner { position: relative; min-width: 100%; }
.zl-sweep-heads { position: sticky; top: 0; z-index: 2; height: 44px; background: var(--comfy-menu-bg, #353535);
  border-bottom: 1px solid var(--border-color, #4e4e4e); }
.zl-corner { position: sticky; left: 0; z-index: 2; width: var(--head); height: 100%; background: var(--comfy-menu-bg, #353535); }
.zl-groups { position: absolute; inset: 0; }
.zl-group { position: absolute; top: 0; height: 24px; padding: 4px 0 0 4px; border-left: 1px solid var(--border-color, #4e4e4e); }
.zl-group span { position: sticky; left: calc(var(--head) + 4px); display: inline-block; max-width: 100%; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; vertical-align: top; }
.zl-seed { position: absolute; top: 24px; width: var(--column); padding: 0 4px; color: var(--descrip-text, #999); font-size: 11px;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.zl-sweep-line { position: absolute; left: 0; right: 0; height: var(--row); border-bottom: 1px solid var(--border-color, #4e4e4e); contain: layout style; }
.zl-row-head { position: sticky; left: 0; z-index: 1; width: var(--head); height: 100%; padding: 4px 5px; overflow: hidden;
  display: flex; flex-direction: column; gap: 2px; background: var(--comfy-menu-bg, #353535); border-left: 4px solid transparent;
  border-right: 1px solid var(--border-color, #4e4e4e); }
.zl-row-head.zl-sweep-best { border-left-color: #2f9e57; }
.zl-row-head.zl-rejected { border-left-color: #c33; }
.zl-row-head.zl-used { box-shadow: inset 0 0 0 2px #4aa3ff; }
.zl-row-head .zl-name { font-weight: 600; flex: none; white-space: normal; display: -webkit-box; -webkit-line-clamp: 2;
  -webkit-box-orient: vertical; }
.zl-score { font-size: 11px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: none; }
.zl-row-head .zl-badges { overflow: hidden; min-height: 0; }
.zl-row-head .zl-badge { max-width: 100%; overflow: hidden; text-overflow: ellipsis; }
.zl-box .zl-choose { margin-top: auto; align-self: start; flex: none; padding: 1px 9px; }
.zl-large .zl-choose { align-self: start; }
.zl-box .zl-choose[aria-pressed="true"]:disabled { opacity: 1; border-color: #4aa3ff; }
.zl-cell { position: absolute; top: 3px; width: var(--width); height: var(--height); margin-left: 3px; background: #0005; cursor: zoom-in; }
.zl-cell img { display: block; width: 100%; height: 100%; }
.zl-cell .zl-badge { position: absolute; left: 2px; bottom: 2px; }
.zl-box .zl-cell:focus-visible { outline-offset: 0; outline-width: 3px; }
.zl-large .zl-wide { height: 100%; border: 0; }
.zl-large [tabindex="-1"]:focus-visible { outline: none; }
.zl-sweep-large { grid-template-columns: minmax(0, 1fr) 310px; }
.zl-pictures { flex-direction: row; gap: 10px; }
.zl-pictures figure { flex: 1; min-width: 0; margin: 0; display: flex; flex-direction: column; gap: 4px; }
.zl-pictures .zl-stage { width: 100%; }
.zl-words-of { overflow-wrap: anywhere; }
.zl-scores { border-collapse: collapse; width: 100%; }
.zl-scores th, .zl-scores td { text-align: start; font-weight: 400; padding: 2px 6px 2px 0; vertical-align: top; }
.zl-scores td { white-space: nowrap; font-variant-numeric: tabular-nums; }
.zl-scores thead th { color: var(--descrip-text, #999); }
.zl-nearest { max-width: 100%; max-height: 220px; object-fit: contain; align-self: start; border-radius: 3px; }
.zl-large.zl-small { width: min(780px, 96vw); height: fit-content; max-height: 94vh; }
.zl-tally { grid-template: auto minmax(0, 1fr) / minmax(0, 1fr); }
.zl-panel { overflow-y: auto; max-width: 760px; width: 100%; justify-self: center; }
.zl-panel p { margin: 0; }
.zl-panel h3 { font-size: 13px; margin: 6px 0 0; }
.zl-said { font-size: 15px; }
.zl-taking th label { display: inline-flex; gap: 4px; align-items: center; cursor: pointer; }
.zl-large .zl-sweep-main:not(:disabled) { background: #1d5c94; color: #fff; }
.zl-blind { grid-template: auto minmax(0, 1fr) auto / minmax(0, 1fr); }
.zl-letter { text-align: center; font-size: 16px; font-weight: 600; }
.zl-foot { text-align: center; }
.zl-answers { justify-content: center; }
.zl-foot .zl-answers:first-of-type button { padding: 6px 18px; }
@media (max-width: 900px) {
  .zl-sweep-large { grid-template: auto minmax(0, 1fr) minmax(0, 40%) / minmax(0, 1fr); }
  .zl-sweep-large .zl-side { grid-column: 1; grid-row: 3; border-left: 0; border-top: 1px solid var(--border-color, #4e4e4e); }
}
`;
