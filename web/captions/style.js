// Style: how the captions look on their node, on top of what shared/style.js gives every view.

export const CAPTION_STYLE = `
.zl-captions { min-height: 460px; }
.zl-captions [hidden] { display: none; }
.zl-captions .zl-scroll { display: block; padding: 0; overflow-anchor: none;
  background: var(--comfy-input-bg, #222); }
.zl-box input[type="text"], .zl-box textarea { font: inherit; color: inherit; background: var(--comfy-input-bg, #222);
  border: 1px solid var(--border-color, #4e4e4e); border-radius: 5px; padding: 3px 6px; min-width: 0; }
.zl-box select:disabled, .zl-box input:disabled { opacity: .45; }
.zl-captions .zl-bar input[type="text"] { flex: 1 1 90px; max-width: 190px; }
.zl-captions .zl-bar select { max-width: 210px; }
.zl-captions button[aria-pressed="true"] { border-color: #4aa3ff; }
.zl-findings { max-height: 132px; flex: none; overflow-y: auto; border-bottom: 1px solid var(--border-color, #4e4e4e); }
.zl-finding { padding: 4px 8px; display: flex; flex-direction: column; gap: 3px; }
.zl-finding + .zl-finding { border-top: 1px solid var(--border-color, #4e4e4e); }
.zl-box .zl-show { text-align: start; padding: 1px 4px; border-color: transparent; background: none; }
.zl-box .zl-fix { padding: 1px 8px; }
.zl-rows { position: relative; }
.zl-caption { position: absolute; left: 0; right: 0; top: 0; height: 116px; padding: 6px; display: flex; gap: 8px; contain: strict;
  border-bottom: 1px solid var(--border-color, #4e4e4e); border-left: 3px solid transparent; }
.zl-caption.zl-edited { border-left-color: #4aa3ff; }
.zl-thumb { flex: none; width: 96px; height: 104px; display: flex; align-items: center; justify-content: center;
  background: #0006; border-radius: 3px; overflow: hidden; }
.zl-thumb img { max-width: 100%; max-height: 100%; }
.zl-words { flex: 1; min-width: 0; display: flex; flex-direction: column; gap: 4px; }
.zl-captions .zl-title { flex-wrap: nowrap; }
.zl-title .zl-name { flex: 1; min-width: 30px; }
.zl-title .zl-badges { flex-wrap: nowrap; min-width: 0; overflow: hidden; }
.zl-number { color: var(--descrip-text, #999); }
.zl-caption textarea { flex: 1; min-height: 0; resize: none; }
.zl-captions .zl-fields { flex-wrap: nowrap; }
.zl-fields input[type="text"] { flex: 1; }
.zl-fields select { flex: none; max-width: 150px; }
`;
