"""The table is the only place that knows the commands: help, reference and completion agree with it."""

from pathlib import Path

import pytest

from snapshot.magics.commands import COMMANDS
from snapshot.magics.grammar import parser_of
from snapshot.magics.manual import docstring

REFERENCE = (Path(__file__).parents[2] / "docs" / "magics.md").read_text(encoding="utf-8")
named = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name or "bare")


@named
def test_every_command_is_in_the_command_reference(command):
    _, found, section = REFERENCE.partition(f"### `{command.usage}`\n")
    assert found, f"docs/magics.md has no heading ### `{command.usage}`"
    section = section.partition("\n##")[0]
    assert section.strip()
    for option in (argument for argument in command.arguments if argument.is_option):
        assert f"* `{option.name}`: " in section


def test_the_command_reference_has_no_command_that_does_not_exist():
    headings = [line[4:] for line in REFERENCE.splitlines() if line.startswith("### ")]
    assert sorted(headings) == sorted(f"`{command.usage}`" for command in COMMANDS)


@named
def test_every_command_and_its_help_is_in_the_docstring(command):
    assert f"{command.usage}\n    {command.help}\n" in docstring()


@named
def test_help_of_a_command_names_every_argument(command):
    text = parser_of(command).format_help()
    for argument in command.arguments:
        assert (argument.name if argument.is_option else argument.value) in text


def test_names_are_given_once():
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)


def test_help_prints_and_ends_quietly(run, capsys):
    assert run("%snapshot store --help") is None
    printed = capsys.readouterr()
    assert "--only" in printed.out
    assert not printed.err


def test_help_for_assign_is_not_taken_for_an_expression(run, capsys):
    assert run("%snapshot assign --help") is None
    assert "PATH=EXPRESSION" in capsys.readouterr().out


def test_the_question_mark_shows_the_whole_table(shell, capsys):
    shell.run_cell("%snapshot?")
    printed = capsys.readouterr().out
    assert all(command.usage in printed for command in COMMANDS)
