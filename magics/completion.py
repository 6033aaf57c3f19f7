"""Completion for ``%snapshot``: what fits at the cursor, from the table and from memory.

Nothing is read from disk and nothing is imported: a completer that waits is worse than
none. Until a first command has made the workspace there are no labels to offer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from snapshot.magics.commands import BY_NAME
from snapshot.magics.door import Door
from snapshot.magics.expansion import literal
from snapshot.magics.grammar import Argument, Command, Fits
from snapshot.magics.words import quote, split
from snapshot.wording import reference_of

_IDENTIFIER = "snapshot_magic"
_LINE = re.compile(r"(?:^|=)\s*%snapshot\s+(?P<rest>.*)$", re.DOTALL)


def register(shell: Any, door: Door) -> None:
    """Add the matcher to the shell's completer."""

    def match(context: CompletionContext) -> SimpleMatcherResult:
        found = _LINE.search(context.text_until_cursor)
        if not found:
            return SimpleMatcherResult(completions=[])
        typed, offers = completions(found["rest"], door, shell.user_ns_hidden)
        return SimpleMatcherResult(
            completions=[SimpleCompletion(text=offer, type="magic") for offer in offers],
            matched_fragment=typed,
            suppress=bool(offers),
            ordered=True,
        )

    if getattr(shell, "Completer", None) is not None:
        shell.Completer.custom_matchers.append(context_matcher(identifier=_IDENTIFIER)(match))


def unregister(shell: Any) -> None:
    """Take the matcher out again."""
    if getattr(shell, "Completer", None) is not None:
        matchers = shell.Completer.custom_matchers
        matchers[:] = [m for m in matchers if getattr(m, "matcher_identifier", None) != _IDENTIFIER]


def completions(rest: str, door: Door, hidden: Iterable[str] = ()) -> tuple[str, list[str]]:
    """The word at the end of ``rest`` as it was typed, and what it may become.

    ``rest`` is the line up to the cursor without ``%snapshot``; ``hidden`` are names of the
    namespace that are IPython's own.
    """
    words = split(rest, unfinished=True)
    typed = "" if not rest or rest[-1].isspace() or not words else words.pop()
    if not rest.endswith(typed):
        return "", []  # behind a closed quote or in a comment
    if not words:
        return typed, [name for name in BY_NAME if name and name.startswith(typed)]
    command = BY_NAME.get(words[0])
    if command is None:
        return typed, []
    if typed.startswith("-"):
        return typed, [name for name in (*_options(command), "--help") if name.startswith(typed)]
    argument = _expected(command, words[1:])
    offers: Iterable[str] = _offers(argument, door, frozenset(hidden)) if argument is not None else ()
    if not command.verbatim:
        offers = map(literal, offers)
    opening = rest[: len(rest) - len(typed)][-1:]
    fitting = [offer for offer in offers if offer.startswith(typed)]
    return typed, [offer + opening if opening in ("'", '"') else quote(offer) for offer in fitting]


def _options(command: Command) -> list[str]:
    return [argument.name for argument in command.arguments if argument.is_option]


def _expected(command: Command, words: list[str]) -> Argument | None:
    """The argument that the next word belongs to, after ``words``."""
    options = {argument.name: argument for argument in command.arguments if argument.is_option}
    places = [argument for argument in command.arguments if not argument.is_option]
    open_option: Argument | None = None
    for word in words:
        if word in options:
            option = options[word]
            open_option = option if option.value or option.choices else None
        elif open_option is None:
            if places and places[0].count not in ("+", "*"):
                places.pop(0)
        elif open_option.count != "+":
            open_option = None
    return open_option or (places[0] if places else None)


def _offers(argument: Argument, door: Door, hidden: frozenset[str]) -> Iterator[str]:
    if argument.choices:
        yield from argument.choices
    elif argument.fits is Fits.REFERENCE:
        yield from _references(door)
    elif argument.fits is Fits.NAME:
        yield from _names(door, hidden)
    elif argument.fits is Fits.EXCLUDED and door.made is not None:
        yield from door.made.excluded


def _references(door: Door) -> Iterator[str]:
    """Labels, the newest first, then ids."""
    newest = door.known()[::-1]
    if door.made is not None and newest:
        yield from dict.fromkeys(snap.label for snap in newest if snap.label)
        yield "latest"
        yield from (reference_of(snap, door.made.run) for snap in newest)


def _names(door: Door, hidden: frozenset[str]) -> Iterator[str]:
    """Names in the namespace, then paths that the newest snapshot holds."""
    names = sorted(name for name in door.namespace if name not in hidden and not name.startswith("_"))
    head = door.made.head if door.made is not None else None
    yield from dict.fromkeys((*names, *(head.variables if head is not None else ())))
