"""Numbers and names -> short text: for ticks, labels and the caption."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite
from typing import Any

FONT = "DejaVu Sans"  # comes with matplotlib, so a picture looks the same everywhere


def number(value: float, digits: int = 3) -> str:
    """``value`` with few digits and a real minus sign: ``−0.0123``, ``1,200``, ``3.2e+09``."""
    if not isfinite(value):
        return "NaN" if value != value else "−∞" if value < 0 else "∞"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def shape_text(shape: tuple[int, ...]) -> str:
    """``64 × 40``, ``scalar`` for no dimension."""
    return " × ".join(f"{size:,}" for size in shape) if shape else "scalar"


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters: the middle gives way, since paths differ at both ends."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) * 3 // 5
    return f"{text[: limit - 1 - tail]}…{text[-tail:]}"


def drawable(text: str) -> str:
    """``text`` with a box for every character that the font lacks.

    Matplotlib would warn in the notebook at every frame instead.
    """
    known = _known_characters()
    return "".join(one if one == "\n" or ord(one) in known else "□" for one in text)


@lru_cache(maxsize=1)
def _known_characters() -> frozenset[int]:
    from matplotlib import font_manager

    font: Any = font_manager.get_font(font_manager.findfont(FONT))
    return frozenset(font.get_charmap())
