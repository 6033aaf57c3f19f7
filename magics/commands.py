"""The one table of ``%snapshot``: every command, its arguments, its help, its function.

Reading the line, ``--help``, ``%snapshot?``, completion and the test of the command
reference all go through :data:`COMMANDS`. To add a command, write its function in
``snapshot.magics.actions`` and add a row.
"""

from __future__ import annotations

from difflib import get_close_matches

from IPython.core.error import UsageError

from snapshot.magics import actions, contents, pictures, where
from snapshot.magics.grammar import Argument, Command, Fits, positive
from snapshot.magics.words import pair

_NAMES_HELP = "nothing but these: names, paths, globs (model.*) or roles (role:parameter)"
_ONLY = Argument("--only", _NAMES_HELP, "NAME", "+", fits=Fits.NAME)
_INTO = Argument("--into", "put OLD into another live variable, or a new name", "OLD=NEW", "+", pair, fits=Fits.NAME)
_ASSIGNMENT = Argument("assignment", "a path, =, an expression", "PATH=EXPRESSION", type=pair, fits=Fits.NAME)
_EXCLUDE = Argument("--exclude", "leave these out, this time", "NAME", "+", fits=Fits.NAME)
_PLOTTED_HELP = (
    'variables to begin with, or expressions over them in quotes ("norm(w - w0)"); several single numbers are lines'
)
_THEME = Argument("--theme", "colours of the picture (light)", choices=("light", "dark"))
_REFERENCE_HELP = "a label, #12, @1000 (a step), latest, or one of them with ~1 behind it (one before)"


def _reference(name: str, help: str = _REFERENCE_HELP, count: str | None = None) -> Argument:
    return Argument(name, help, "REF", count, fits=Fits.REFERENCE)


COMMANDS: tuple[Command, ...] = (
    Command("", "where things stand, and a short help", where.things_stand),
    Command(
        "store",
        "store the state of the variables in memory",
        actions.store,
        (
            Argument("label", "a name for the snapshot; an older one of that name gives it up", "LABEL", "?"),
            _ONLY,
            _EXCLUDE,
            Argument("--step", "the global step; else one more than the step before", "N", type=int),
            Argument("--note", "a remark kept with the snapshot", "TEXT"),
            Argument("--memory", "keep it in memory, do not write it to disk"),
        ),
        doing="storing",
    ),
    Command(
        "restore",
        "assign stored values to the variables in memory",
        actions.restore,
        (
            _reference("ref", f"{_REFERENCE_HELP}; left out: latest", "?"),
            _ONLY,
            _INTO,
            Argument("--created", "names made since (keep)", choices=("keep", "remove")),
            Argument("--code", "functions redefined since (keep)", choices=("keep", "restore")),
            Argument("--defer", "let values wait for variables that do not exist yet"),
            Argument("--dry-run", "say what would happen and write nothing"),
            Argument("--initialize-rest", "give graph variables without a value their initial one"),
        ),
        rewrites=True,
        doing="restoring",
    ),
    Command(
        "resume",
        "restore the latest snapshot if there is one, else go on from scratch",
        actions.resume,
        (
            _ONLY,
            Argument("--code", "functions redefined since (keep)", choices=("keep", "restore")),
            Argument("--defer", "let values wait for variables that do not exist yet"),
        ),
        rewrites=True,
        doing="restoring",
    ),
    Command(
        "list",
        "list the snapshots",
        actions.list_,
        (Argument("--all", "other notebooks' too"),),
    ),
    Command(
        "show",
        "show what one snapshot holds",
        contents.show,
        (_reference("ref"), Argument("--report", "list what was not stored by value, and why")),
    ),
    Command(
        "diff",
        "show what differs between two snapshots, or between one and the present",
        actions.diff,
        (_reference("ref"), _reference("other", f"{_REFERENCE_HELP}; left out: the present", "?")),
    ),
    Command(
        "label",
        "give a snapshot a label",
        actions.label,
        (_reference("ref"), Argument("label", "its new label", "NEW")),
    ),
    Command(
        "drop",
        "delete snapshots: all that are named, or none",
        actions.drop,
        (_reference("refs", count="+"),),
    ),
    Command(
        "prune",
        "delete old snapshots, except labelled ones and those that an option keeps",
        actions.prune,
        (
            Argument("--keep", "keep the newest N", "N", type=positive(int)),
            Argument("--every", "keep one for every so many hours", "HOURS", type=positive(float)),
            Argument("--collect", "give their disk space back now, not an hour later"),
        ),
    ),
    Command(
        "assign",
        "assign a value to a variable in place; the rest of the line is a Python expression",
        actions.assign,
        (_ASSIGNMENT,),
        verbatim=True,
        rewrites=True,
    ),
    Command(
        "exclude",
        "leave names out of every store from now on; without a name, list those left out",
        actions.exclude,
        (
            Argument("names", "names, paths, globs or roles", "NAME", "*", fits=Fits.NAME),
            Argument("--not", "store these again", "NAME", "+", fits=Fits.EXCLUDED),
        ),
    ),
    Command("undo", "take back the last restore or assign", actions.undo, rewrites=True, doing="undoing"),
    Command("redo", "do again what undo took back", actions.redo, rewrites=True, doing="redoing"),
    Command(
        "plot",
        "show how values evolve over the steps",
        pictures.plot,
        (
            Argument("paths", _PLOTTED_HELP, "PATH", "*", fits=Fits.NAME),
            Argument(
                "--statistic",
                "this number of each, as lines in one picture",
                choices=("mean", "std", "norm", "min", "median", "max", "update"),
            ),
            Argument(
                "--reference",
                "the step to compare with: first, previous, last or a REF (first)",
                "REF",
                fits=Fits.REFERENCE,
            ),
            Argument("--from", "show no earlier step", "STEP", type=int),
            Argument("--to", "show no later step", "STEP", type=int),
            Argument("--log", "powers of ten: of single numbers, of the shares in the histogram over steps"),
            Argument("--still", "do not follow what is stored later"),
            _THEME,
        ),
    ),
    Command(
        "overview",
        "show all variables over all steps in one picture; choosing one opens its plot",
        pictures.overview,
        (
            Argument("paths", "these variables only", "PATH", "*", fits=Fits.NAME),
            Argument(
                "--statistic", "what the colours mean (update)", choices=("update", "mean", "std", "zeros", "nan")
            ),
            _THEME,
        ),
    ),
    Command(
        "compare",
        "look at what differs between two snapshots, or between one and the present",
        pictures.compare,
        (_reference("ref"), _reference("other", f"{_REFERENCE_HELP}; left out: the present", "?"), _THEME),
    ),
    Command("browse", "look through the snapshots; store, restore, label and drop by click", pictures.browse),
    Command(
        "open",
        "keep this notebook's snapshots in another repository",
        actions.open_,
        (
            Argument("path", "a folder, or s3://bucket/run.zarr", "PATH_OR_URL", fits=Fits.FILE),
            Argument("--trust", "load pickles that others stored too; a pickle may run any code"),
        ),
    ),
    Command("flush", "wait until everything stored is on disk", actions.flush, doing="writing"),
    Command("close", "flush, and give up the repository", actions.close, doing="writing"),
)

BY_NAME = {command.name: command for command in COMMANDS}


def find(name: str) -> Command:
    """The command of that name; :class:`UsageError` suggests the nearest."""
    if name in BY_NAME:
        return BY_NAME[name]
    near = get_close_matches(name, filter(None, BY_NAME), 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(filter(None, BY_NAME))}."
    raise UsageError(f"%snapshot has no command {name!r}; {hint}")
