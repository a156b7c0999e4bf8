// Style: how the photo widgets look, in the colours of ComfyUI's theme. All names begin with `zl-`.

export const STYLE = `
.zl-box { position: relative; box-sizing: border-box; width: 100%; height: 100%; font: 12px/1.35 sans-serif;
  color: var(--input-text, #ddd); background: var(--comfy-input-bg, #222); border: 1px solid var(--border-color, #4e4e4e);
  border-radius: 6px; overflow: hidden; text-align: start; }
.zl-box *, .zl-large * { box-sizing: border-box; }
.zl-box button, .zl-box select, .zl-large button, .zl-large select { font: inherit; color: inherit; cursor: pointer;
  background: var(--comfy-menu-bg, #353535); border: 1px solid var(--border-color, #4e4e4e); border-radius: 5px;
  padding: 3px 9px; max-width: 100%; }
.zl-box button:hover, .zl-large button:hover { filter: brightness(1.2); }
.zl-box button:disabled, .zl-large button:disabled { opacity: .4; cursor: default; filter: none; }
.zl-box :focus-visible, .zl-large :focus-visible { outline: 2px solid #4aa3ff; outline-offset: 1px; }
.zl-hint { color: var(--descrip-text, #999); }
.zl-line { min-height: 1.45em; }
.zl-row { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }

.zl-upload { min-height: 112px; padding: 8px; display: flex; flex-direction: column; gap: 6px; justify-content: safe center;
  border-style: dashed; overflow: auto; }
.zl-upload.zl-over { border-color: #4aa3ff; background: color-mix(in srgb, #4aa3ff 18%, var(--comfy-input-bg, #222)); }
.zl-upload progress { width: 100%; height: 8px; accent-color: #4aa3ff; }

.zl-photos { min-height: 420px; }
.zl-fill { position: absolute; inset: 0; display: flex; flex-direction: column; }
.zl-bar { padding: 6px; border-bottom: 1px solid var(--border-color, #4e4e4e); }
.zl-bar .zl-space { flex: 1; }
.zl-note { padding: 5px 8px; background: #6b4e00; color: #fff; }
.zl-note.zl-bad { background: #7a1f1f; }
.zl-scroll { flex: 1; min-height: 0; overflow-y: auto; padding: 6px; display: grid; gap: 6px; align-content: start;
  grid-template-columns: repeat(auto-fill, minmax(min(200px, 100%), 1fr)); }
.zl-empty { padding: 24px; text-align: center; grid-column: 1 / -1; }
.zl-card { display: flex; flex-direction: column; gap: 4px; padding: 5px; border-radius: 5px; min-width: 0;
  background: var(--comfy-menu-bg, #353535); border: 1px solid transparent;
  content-visibility: auto; contain-intrinsic-size: auto 215px; }
.zl-card.zl-edited { border-color: #4aa3ff; }
.zl-card.zl-out { border-color: #c33; }
.zl-card.zl-out .zl-pic img { filter: grayscale(.8) brightness(.6); }
.zl-box .zl-pair { display: flex; gap: 4px; padding: 0; border: 0; background: none; width: 100%; height: 118px; align-items: center; }
.zl-half { flex: 1; min-width: 0; height: 100%; display: flex; align-items: center; justify-content: center;
  background: #0006; border-radius: 3px; }
.zl-pic { position: relative; overflow: hidden; aspect-ratio: var(--ratio); width: min(100%, calc(118px * var(--ratio))); }
.zl-pic img { display: block; width: 100%; height: 100%; }
.zl-kept { position: absolute; outline: 999px solid #000a; box-shadow: inset 0 0 0 1px #fff; pointer-events: none; }
.zl-name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.zl-badges { display: flex; flex-wrap: wrap; gap: 3px; }
.zl-badge { padding: 0 6px; border-radius: 8px; background: #0005; font-size: 11px; white-space: nowrap; }
.zl-badge.zl-hand { background: #1d5c94; color: #fff; }
.zl-badge.zl-warn { background: #6b4e00; color: #fff; }
.zl-reason { color: #ff9d9d; font-size: 11px; display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; }
.zl-card .zl-use { margin-top: auto; align-self: start; }

.zl-report { min-height: 420px; }
.zl-report .zl-scroll { display: block; padding: 0; }
.zl-box .zl-picture, .zl-full .zl-picture { display: block; padding: 0; border: 0; background: none; width: 100%; cursor: zoom-in; }
.zl-box .zl-picture[hidden] { display: none; }
.zl-picture img { display: block; width: 100%; }
.zl-large { width: 96vw; height: 94vh; max-width: none; max-height: none; padding: 0; margin: auto; font: 13px/1.45 sans-serif;
  color: var(--input-text, #ddd); background: var(--comfy-menu-bg, #353535); border: 1px solid var(--border-color, #4e4e4e);
  border-radius: 8px; overflow: hidden; }
.zl-large::backdrop { background: #000a; }
.zl-sheet { height: 100%; display: grid; grid-template: auto minmax(0, 1fr) / minmax(0, 2.2fr) minmax(0, 1.2fr) 290px; }
.zl-head { grid-column: 1 / -1; padding: 8px 12px; border-bottom: 1px solid var(--border-color, #4e4e4e); }
.zl-head h2 { font-size: 14px; margin: 0; flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.zl-column { padding: 10px; display: flex; flex-direction: column; gap: 8px; min-width: 0; min-height: 0; }
.zl-side { overflow-y: auto; border-left: 1px solid var(--border-color, #4e4e4e); }
.zl-stage { flex: 1; min-height: 0; display: flex; align-items: center; justify-content: center; container-type: size;
  background: #0005; border-radius: 5px; }
.zl-stage .zl-pic { width: min(100cqw, calc(100cqh * var(--ratio))); overflow: visible; }
.zl-stage .zl-pic img { user-select: none; -webkit-user-drag: none; }
.zl-over { position: absolute; inset: 0; touch-action: none; cursor: crosshair; overflow: hidden; }
.zl-over > * { position: absolute; }
.zl-large .zl-face { padding: 0; background: none; border: 2px solid #ffd24a; border-radius: 4px; cursor: pointer; }
.zl-large .zl-face.zl-chosen { border: 3px solid #4dff88; }
.zl-over .zl-kept { outline-width: 4000px; }
.zl-over .zl-cropping { box-shadow: inset 0 0 0 2px #fff, inset 0 0 0 3px #000; }
.zl-handle { width: 12px; height: 12px; margin: -6px 0 0 -6px; background: #fff; border: 1px solid #000; border-radius: 2px; pointer-events: none; }
.zl-large .zl-mark { padding: 0; border: 2px solid #ff5c8a; background: #ff5c8a40; border-radius: 0; pointer-events: none; }
.zl-large .zl-mark.zl-chosen { box-shadow: 0 0 0 2px #fff; }
.zl-found { border: 2px dashed #ff9d5c; pointer-events: none; }
.zl-tools button[aria-pressed="true"] { background: #1d5c94; color: #fff; }
.zl-side label { display: grid; grid-template-columns: 84px 1fr; align-items: center; gap: 6px; }
.zl-side select { width: 100%; min-width: 0; }
.zl-side h3 { font-size: 12px; margin: 6px 0 0; color: var(--descrip-text, #999); }
.zl-side ul { margin: 0; padding-left: 18px; overflow-wrap: anywhere; }
.zl-comparing { flex: 1; min-height: 0; display: flex; flex-direction: column; gap: 6px; }
.zl-stage .zl-overlaid { overflow: hidden; cursor: ew-resize; touch-action: none; }
.zl-overlaid .zl-under { position: absolute; max-width: none; }
.zl-overlaid .zl-upper { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--share)); }
.zl-divider { position: absolute; top: 0; bottom: 0; left: var(--share); width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 0 1px #000; }
.zl-slider { flex: 1; min-width: 40px; accent-color: #4aa3ff; }
.zl-full { width: fit-content; max-width: 98vw; overflow: auto; }
.zl-full .zl-picture { width: auto; max-width: none; cursor: zoom-out; }
.zl-full .zl-picture img { width: auto; }
@media (max-width: 1000px) {
  .zl-sheet { grid-template: auto minmax(0, 2fr) minmax(0, 1fr) / minmax(0, 1fr) 270px; }
  .zl-column.zl-before { grid-column: 1; grid-row: 2; }
  .zl-column.zl-after { grid-column: 1; grid-row: 3; }
  .zl-side { grid-column: 2; grid-row: 2 / 4; }
}
`;
