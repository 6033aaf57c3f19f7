"""The colours of every picture. Okabe and Ito's, which colour-blind readers tell apart.

Blue is data, vermillion is the chosen step, grey is what it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as ``#rrggbb``; ``bands`` from the widest (min to max) to the narrowest."""

    paper: str
    ink: str
    muted: str
    grid: str
    data: str
    bands: tuple[str, str, str]
    chosen: str
    reference: str
    signed: str  #: matplotlib's name of the colour map for values of both signs
    unsigned: str  #: for values that are never negative
    missing: str  #: pink: elements that are NaN or infinite
    hues: tuple[str, ...]  #: of lines side by side; vermillion is left out, it is the chosen step


# The bands are the data colour mixed into the paper: opaque, so that what lies
# beneath never changes their meaning.
LIGHT = Theme(
    paper="#ffffff",
    ink="#1b1f24",
    muted="#66707a",
    grid="#e8ebee",
    data="#0072b2",
    bands=("#e6f1f7", "#bfdcec", "#8cc0dd"),
    chosen="#d55e00",
    reference="#b4bac0",
    signed="RdBu_r",
    unsigned="viridis",
    missing="#cc79a7",
    hues=("#0072b2", "#009e73", "#aa4f86", "#b07d00", "#3f9bd1", "#1b1f24"),
)
DARK = Theme(
    paper="#111417",
    ink="#eceff2",
    muted="#98a2ad",
    grid="#272c32",
    data="#56b4e9",
    bands=("#17252f", "#1f3d50", "#2d5f7c"),
    chosen="#f0792b",
    reference="#5d666f",
    signed="berlin",
    unsigned="cividis",
    missing="#cc79a7",
    hues=("#56b4e9", "#2ac79a", "#e39cc6", "#e6b422", "#a48cf0", "#eceff2"),
)


def find_theme(name: str) -> Theme:
    """The theme called ``"light"`` or ``"dark"``; ``ValueError`` for any other name."""
    themes = {"light": LIGHT, "dark": DARK}
    if name not in themes:
        raise ValueError(f"theme: expected 'light' or 'dark', found {name!r}")
    return themes[name]
