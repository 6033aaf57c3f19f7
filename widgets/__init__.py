"""Pictures of stored values, in a notebook or as files. Needs ipywidgets and matplotlib."""

from snapshot.widgets.browse import Browse
from snapshot.widgets.compare import Compare
from snapshot.widgets.evolution import Evolution
from snapshot.widgets.overview import Overview

__all__ = ["Browse", "Compare", "Evolution", "Overview"]
