"""Kinds of arguments and options that several commands take."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from srgrid.errors import SrgridError
from srgrid.settings import schema, told

Function = TypeVar("Function", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
scale = click.option("--scale", "-s", type=click.IntRange(min=1), required=True, help="Scale factor.")


metrics = click.option(
    "--metrics",
    default="psnr,ssim",
    callback=lambda _ctx, _param, value: [name.strip() for name in value.split(",")],
    help="psnr, ssim, or module:NAME of your own, a comma between them.",
)


class Json(click.ParamType[Any]):
    """A JSON object, or list, as Python's."""

    def __init__(self, kind: type[dict[str, Any]] | type[list[Any]]) -> None:
        self.kind = kind
        self.name = "object" if kind is dict else "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises SrgridError, naming the option, for anything else."""
        option = param.opts[0] if param else self.name
        if isinstance(value, self.kind):
            return value
        try:
            loaded = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise SrgridError(f"{option}: not JSON ({error})") from None
        if not isinstance(loaded, self.kind):
            raise SrgridError(f"{option}: expected a JSON {self.name}, got {value}")
        return loaded


def json_option(flag: str, about: str, kind: type[dict[str, Any]] | type[list[Any]] = dict) -> Callable[..., Any]:
    """An option that takes JSON: an empty object, or list, if it is not given."""
    return click.option(flag, type=Json(kind), default=json.dumps(kind()), show_default=False, help=about)


def degradation_option(about: str) -> Callable[..., Any]:
    """The name of a degradation."""
    names = "matlab, pillow, either with -uncropped, or one of --define"
    return click.option("--degradation", default="matlab", help=f"{about}: {names}.")


def config_option(flag: str) -> Callable[..., Any]:
    """An option that the workflow fills from its config."""
    return json_option(flag, "JSON object, from the workflow's config.")


def settings_of(record: type, *names: str, unset: bool = False) -> Callable[[Function], Function]:
    """Options that set fields of a record of settings, which has their meaning, and their default unless `unset`."""
    rules = schema(record)["properties"]

    def add(function: Function) -> Function:
        for name in reversed(names):
            one, rule = told(record)[name], rules[name]
            rule = rule | rule.get("oneOf", [rule])[0]
            kinds = {
                "integer": click.IntRange(min=rule.get("minimum"), max=rule.get("maximum")),
                "number": float,
                "boolean": bool,
            }
            words = f"{', '.join(rule['enum'])}: " if "enum" in rule else ""
            function = click.option(
                f"--{name.replace('_', '-')}",
                type=kinds.get(rule.get("type"), str),
                is_flag=rule.get("type") == "boolean",
                default=None if unset else one.default,
                help=words + one.metadata["about"],
            )(function)
        return function

    return add


def by_column(given: Sequence[str], option: str, what: str = "FILE") -> dict[tuple[str, int], str]:
    """What options of the form METHOD:SCALE=... say, by method and scale. Raises SrgridError as `pairs` does."""
    form = f"METHOD:SCALE={what}"
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        method, _, factor = name.rpartition(":")
        if not equals or not method or not re.fullmatch("[1-9][0-9]{0,2}", factor) or (method, int(factor)) in found:
            raise SrgridError(f"{option}: expected {form}, each once, got {text!r}")
        found[method, int(factor)] = value
    return found


def example(*commands: str) -> str:
    """The end of a help text: commands as one would type them; a long one goes on in a second line."""
    lines = [f"  {line}" for one in commands for line in one.splitlines()]
    return "\n".join(["\b", "Example:" if len(commands) == 1 else "Examples:", *lines])


class Words(click.Command):
    """A command whose repeated options take all words up to the next option: `--dataset Set5 Set14`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Say such an option again before each of its words, as Click wants it."""
        repeated = {name for one in self.params if isinstance(one, click.Option) and one.multiple for name in one.opts}
        spread, option = list[str](), ""
        for before, word in zip(["", *args], args, strict=False):
            if word.startswith("-"):
                option = word if word in repeated else ""
            elif option and before != option:
                spread.append(option)
            spread.append(word)
        return super().parse_args(ctx, spread)


def pairs(given: Sequence[str], option: str, form: str = "METHOD=FOLDER") -> dict[str, Path]:
    """The names and paths of options of the form NAME=PATH. Raises SrgridError for another form or a name twice."""
    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or name in found:
            raise SrgridError(f"{option}: expected {form}, each once, got {text!r}")
        found[name] = Path(path)
    return found
