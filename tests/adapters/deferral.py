"""A restore in another workspace than the one that stored, as in a new kernel."""

from snapshot.workspace import Workspace


def restored(folder, stored, live, **options):
    """The workspace over ``live`` and the status of restoring what ``stored`` held, with what waits."""
    Workspace(stored, folder / "run.zarr").store("before")
    workspace = Workspace(live, folder / "run.zarr")
    return workspace, workspace.restore("before", defer=True, **options)
