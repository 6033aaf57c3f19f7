"""Pictures of stored values, in a notebook or as files. Needs ipywidgets and matplotlib."""

from snapshot.widgets.browse import Browse
from snapshot.widgets.compare import Compare
from snapshot.widgets.evolution import Evolution

__all__ = ["Browse", "Compare", "Evolution"]
