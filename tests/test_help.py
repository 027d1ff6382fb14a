"""Help texts: each fits a screen and ends in an example that can be typed."""

import shlex

import click
import pytest

from srgrid.cli import app

LINES, COLUMNS = 40, 80


def walk(command, path):
    """Every command below one, itself included, with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(below, (*path, name))


COMMANDS = dict(walk(app, ("srgrid",)))


def help_of(path):
    """A help text as on a terminal of 80 columns."""
    context = None
    for end in range(1, len(path) + 1):
        context = click.Context(
            COMMANDS[path[:end]], parent=context, info_name=path[end - 1], max_content_width=COLUMNS
        )
        context.show_default = True
    return context.get_help().splitlines()


def examples(path):
    """The words of the examples that a help text ends in."""
    text = COMMANDS[path].epilog or ""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("  ")]


def test_every_command_is_found():
    assert {path[-1] for path in COMMANDS} >= {"srgrid", "bench", "upscale", "score", "card", "fetch", "export"}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_help_text_fits_a_screen(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    lines = help_of(path)
    assert len(lines) <= LINES
    assert [line for line in lines if len(line) > COLUMNS] == []


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_help_text_ends_in_an_example_that_can_be_typed(path):
    assert examples(path)
    assert help_of(path)[-len(COMMANDS[path].epilog.splitlines()) + 1].strip() in ("Example:", "Examples:")
    for words in examples(path):
        assert tuple(words[: len(path)]) == path
        called = max((known for known in COMMANDS if known == tuple(words[: len(known)])), key=len)
        rest = words[len(called) :]
        if rest != ["--help"]:
            COMMANDS[called].make_context(called[-1], rest)  # raises for an option or an argument that it has not
