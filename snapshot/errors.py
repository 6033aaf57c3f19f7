"""What can go wrong, as one tree.

::

    SnapshotError
    ├── ReferenceNotFound (LookupError)      no snapshot answers to that label, id or step
    ├── PathNotFound (LookupError)           no variable or name answers to that path
    ├── InvalidName (ValueError)             a label or path that cannot be one
    ├── BadExpression (ValueError)           an expression over stored values that is not allowed or not computable
    ├── DoesNotFit (ValueError)              a value whose shape, dtype or type the live object refuses
    ├── NotMatched (ValueError)              an assertion of a restore status, with the paths
    ├── OverBudget (MemoryError)             a store that would not fit; nothing was copied
    ├── RestoreFailed (RuntimeError)         an object refused a write; everything is as it was before
    ├── NothingToUndo (LookupError)          the undo or redo stack is empty
    └── RepositoryError (OSError)
        ├── NotARepository (ValueError)      something else lives at that path
        ├── NewerFormat (ValueError)         written by a later version of this package
        ├── NotWritable (PermissionError)    the folder refuses writes
        ├── NotTrusted (PermissionError)     a pickle that this user did not sign; it was not loaded
        └── Damaged (ValueError)             stored bytes do not match their hash

Each error is also the builtin that fits, so ``except LookupError`` works without
importing this module. A message says where, what was found, what was expected
and what to do.
"""


class SnapshotError(Exception):
    """Root of every error this package raises on purpose."""

    def __str__(self) -> str:
        # KeyError and its kin print the repr of their message; ours read as sentences.
        return str(self.args[0]) if self.args else type(self).__name__


class ReferenceNotFound(SnapshotError, LookupError):
    """No snapshot answers to that label, id or step."""


class PathNotFound(SnapshotError, LookupError):
    """No variable or name answers to that path."""


class InvalidName(SnapshotError, ValueError):
    """A label or path that cannot be one."""


class BadExpression(SnapshotError, ValueError):
    """An expression over stored values that is not allowed, or that cannot be computed."""


class DoesNotFit(SnapshotError, ValueError):
    """A value whose shape, dtype or type the live object refuses."""


class NotMatched(SnapshotError, ValueError):
    """A restore status was asserted to be complete and is not."""


class OverBudget(SnapshotError, MemoryError):
    """Storing would exceed the memory budget; nothing was copied."""

    excess: int = 0  #: by so many bytes


class RestoreFailed(SnapshotError, RuntimeError):
    """An object refused a write; every write before it was taken back."""


class NothingToUndo(SnapshotError, LookupError):
    """The undo or redo stack is empty."""


class RepositoryError(SnapshotError, OSError):
    """Reading or writing the home on disk failed."""


class NotARepository(RepositoryError, ValueError):
    """Something else lives at that path."""


class NewerFormat(RepositoryError, ValueError):
    """The repository was written by a later version of this package."""


class NotWritable(RepositoryError, PermissionError):
    """The folder refuses writes."""


class NotTrusted(RepositoryError, PermissionError):
    """A pickle that may be anybody's; it was not loaded."""


class Damaged(RepositoryError, ValueError):
    """Stored bytes do not match the hash that was recorded for them."""


class SnapshotWarning(UserWarning):
    """Something worth knowing that did not stop the call."""
