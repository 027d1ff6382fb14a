"""The command that makes a shell complete the others."""

from __future__ import annotations

import os
from pathlib import Path

import click

from srgrid.cli.options import example
from srgrid.errors import SrgridError

_PLACES = {
    "bash": ("XDG_DATA_HOME", ".local/share", "bash-completion/completions/srgrid"),
    "zsh": ("ZDOTDIR", "", ".zfunc/_srgrid"),
    "fish": ("XDG_CONFIG_HOME", ".config", "fish/completions/srgrid.fish"),
}


@click.command(epilog=example("srgrid completion bash --install"))
@click.argument("shell", type=click.Choice(list(_PLACES)), help="The shell.")
@click.option("--install", is_flag=True, help="Write it where the shell finds it, instead of printing it.")
@click.pass_context
def completion(context: click.Context, shell: str, install: bool) -> None:
    """Print the script that makes a shell complete commands and options of srgrid."""
    from click.shell_completion import get_completion_class

    from srgrid.files import staged_file

    kind = get_completion_class(shell)
    assert kind is not None
    try:
        text = kind(context.find_root().command, {}, "srgrid", "_SRGRID_COMPLETE").source()
    except RuntimeError as error:  # Click's word for a bash that is too old
        raise SrgridError(f"{shell}: {error}") from None
    if not install:
        print(text)
        return
    place = _place(shell)
    with staged_file(place) as staged:
        staged.write_text(text)
    first = " after `fpath+=~/.zfunc; autoload -U compinit; compinit` in ~/.zshrc" if shell == "zsh" else ""
    print(f"{place}: written; a new {shell} completes srgrid{first}")


def _place(shell: str) -> Path:
    variable, usual, name = _PLACES[shell]
    return Path(os.environ.get(variable) or Path.home() / usual) / name
