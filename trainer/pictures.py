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
    return all(character.isspace() or _has_glyph(character, with_font) for character in text)


def fit_text(text: str, with_font: Font, width_px: int) -> str:
    """The text, its middle left out as far as needed to be no wider than `width_px`; empty if nothing fits."""
    if with_font.getlength(text) <= width_px:
        return text
    fewest, too_many = 0, len(text)
    while too_many - fewest > 1:
        kept = (fewest + too_many) // 2
        if with_font.getlength(_without_middle(text, kept)) <= width_px:
            fewest = kept
        else:
            too_many = kept
    return _without_middle(text, fewest) if fewest else ""


def _without_middle(text: str, kept: int) -> str:
    return text[: (kept + 1) // 2] + "..." + text[len(text) - kept // 2 :]


@lru_cache(maxsize=8192)
def _has_glyph(character: str, with_font: Font) -> bool:
    return _drawn(character, with_font) != _drawn(_IN_NO_FONT, with_font)


def _drawn(character: str, with_font: Font) -> tuple[object, bytes]:
    mask = with_font.getmask(character)
    return mask.size, bytes(mask)
