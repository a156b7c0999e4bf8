"""Pictures of ours that carry text: a font that can draw the user's language, and text that fits. Draws no layout."""

from __future__ import annotations

from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_CJK_FONTS = (
    "msyh.ttc", "simhei.ttf", "simsun.ttc",  # Windows
    "PingFang.ttc", "Hiragino Sans GB.ttc", "STHeiti Light.ttc", "Arial Unicode.ttf",  # macOS
    "NotoSansCJK-Regular.ttc", "NotoSansSC-Regular.otf", "SourceHanSansSC-Regular.otf", "wqy-microhei.ttc",
    "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf",  # Linux
)  # fmt: skip
_IN_NO_FONT = "\U0010ffff"
"""A code point that never has a glyph: it is drawn as the font's sign for 'missing'."""


@lru_cache(maxsize=16)
def font(size_px: int) -> Font:
    """A font with Chinese glyphs if the system has one that is widely known, else Pillow's own Latin one."""
    for name in _CJK_FONTS:
        try:
            return ImageFont.truetype(name, size_px)
        except OSError:
            continue
    return ImageFont.load_default(size_px)


def can_draw(text: str, with_font: Font) -> bool:
    """Whether the font has a glyph for every character, so that no boxes appear."""
    missing = _drawn(_IN_NO_FONT, with_font)
    return all(character.isspace() or _drawn(character, with_font) != missing for character in text)


def fit_text(text: str, with_font: Font, width_px: int) -> str:
    """The text, its middle left out as far as needed to be no wider than `width_px`; empty if nothing fits."""
    kept = len(text)
    shown = text
    while kept and with_font.getlength(shown) > width_px:
        kept -= 1
        shown = text[: (kept + 1) // 2] + "..." + text[len(text) - kept // 2 :]
    return shown if kept else ""


def _drawn(character: str, with_font: Font) -> tuple[object, bytes]:
    mask = with_font.getmask(character)
    return mask.size, bytes(mask)
