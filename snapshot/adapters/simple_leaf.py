"""A leaf adapter with everything said but the three things that nobody else can know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from snapshot.adapters.protocol import Array, Form


class SimpleLeaf:
    """Derive, set ``kind``, and write ``view``, ``assign`` and ``build``.

    As it is, contents of another shape or dtype are refused (the object is then made
    anew), and nothing but the contents and ``attribute_names`` is state.
    """

    kind = ""  #: recorded on disk: "library.Class"
    immutable = False  #: True when contents never change: ``assign`` is then not called
    attribute_names: ClassVar[Sequence[str]] = ()  #: attributes beside the contents: ("name", "unit")

    def view(self, obj: Any) -> Array:
        """The contents as an ndarray, sharing memory with ``obj`` where that is possible."""
        raise NotImplementedError(f"{type(self).__name__}.view")

    def assign(self, obj: Any, contents: Array) -> None:
        """Write ``contents``, of the dtype and shape of :meth:`view`, into ``obj``."""
        raise NotImplementedError(f"{type(self).__name__}.assign")

    def build(self, form: Form, contents: Array) -> Any:
        """A new object with these contents, which nobody else holds."""
        raise NotImplementedError(f"{type(self).__name__}.build")

    def form(self, obj: Any) -> Form:
        contents = self.view(obj)
        return Form(contents.shape, str(contents.dtype))

    def misfit(self, obj: Any, form: Form) -> str | None:
        found = self.form(obj)
        if (found.shape, found.dtype) != (form.shape, form.dtype):
            return f"is {found.dtype} of shape {found.shape}, stored was {form.dtype} of shape {form.shape}"
        return None if found.meta == form.meta else f"is {dict(found.meta)}, stored was {dict(form.meta)}"

    def assign_span(self, obj: Any, start: int, contents: Array) -> bool:
        return False

    def attributes(self, obj: Any) -> Sequence[tuple[str, Any]]:
        return [(name, getattr(obj, name)) for name in self.attribute_names if hasattr(obj, name)]

    def set_attribute(self, obj: Any, name: str, value: Any) -> None:
        setattr(obj, name, value)
