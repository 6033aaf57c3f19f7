"""Pictures of how values evolve, in a notebook or as files. Needs ipywidgets and matplotlib."""

from snapshot.widgets.evolution import Evolution

__all__ = ["Evolution"]
