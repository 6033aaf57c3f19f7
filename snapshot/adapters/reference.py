"""By reference: the object's identity is restored, its contents are its own business."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """``reason`` is shown in the report; None for what has no contents worth naming."""

    reason: str | None = None


#: Modules, library functions and classes: nobody expects a rollback to touch them.
BENIGN = Reference()
