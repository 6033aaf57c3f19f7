"""By reference: the object's identity is restored, its contents are its own business."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """``reason`` is shown in the report; None for what has no contents worth naming.

    The contents of a ``sealed`` object never change, so keeping it keeps them; but they
    are not in the records, so in a new kernel only a pickle has them.
    """

    reason: str | None = None
    sealed: bool = False


#: Modules, library functions and classes: nobody expects a rollback to touch them.
BENIGN = Reference()
