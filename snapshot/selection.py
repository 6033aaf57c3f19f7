"""Which names, paths, globs and roles a store or a restore is about. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from snapshot.errors import InvalidName, PathNotFound
from snapshot.model import Role
from snapshot.wording import enumerated

Patterns = str | Iterable[str] | None


def as_patterns(given: Patterns) -> tuple[str, ...]:
    """One pattern or several, checked."""
    found = (given,) if isinstance(given, str) else tuple(given or ())
    for pattern in found:
        if pattern.startswith("role:") and pattern[5:] not in {role.value for role in Role}:
            known = ", ".join(f"role:{role.value}" for role in Role)
            raise InvalidName(f"{pattern!r} is no role; known are {known}")
    return found


def root_of(path: str) -> str:
    """The name a path starts from: ``model`` of ``model.0.weight`` and of ``model['w']``."""
    ends = [position for position in map(path.find, ".[") if position > 0]
    return path[: min(ends)] if ends else path


def matches(pattern: str, path: str, role: Role | None = None) -> bool:
    """Whether ``path`` is what the pattern names, or lies below it."""
    if pattern.startswith("role:"):
        return role is not None and pattern[5:] == role.value
    if path == pattern or path.startswith((f"{pattern}.", f"{pattern}[", f"{pattern}/")):
        return True
    # [ and ] are index brackets in our paths, not character classes
    return fnmatchcase(path, pattern.replace("[", "[[]")) if any(mark in pattern for mark in "*?") else False


def split(patterns: Iterable[str], names: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Names taken whole, and the patterns that mean no name: they may look inside."""
    known = list(names)
    whole: set[str] = set()
    inner: list[str] = []
    for pattern in patterns:
        hit = {name for name in known if matches(pattern, name)}
        whole |= hit
        if not hit:
            inner.append(pattern)
    return frozenset(whole), tuple(inner)


def names_of(patterns: Iterable[str]) -> frozenset[str] | None:
    """The names that patterns start from; None when only a look at everything can tell."""
    found = tuple(patterns)
    if not found or any(pattern.startswith("role:") or "*" in pattern or "?" in pattern for pattern in found):
        return None
    return frozenset(map(root_of, found))


def not_found(missing: Iterable[str], known: Iterable[str]) -> PathNotFound:
    """The error for names or paths nobody has, with the nearest ones."""
    from difflib import get_close_matches

    wanted = list(missing)
    # generators that no name leads to are nobody's spelling mistake
    everything = sorted({name for name in known if not name.startswith("(")})
    near = [match for name in wanted for match in get_close_matches(name, everything, 3, 0.5)]
    hint = f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else f"; there are {_few(everything)}"
    return PathNotFound(f"nothing is called {', '.join(map(repr, wanted))}{hint}")


def _few(names: list[str]) -> str:
    return enumerated(names, 8) if names else "no names at all"
