"""The protocol choices the audit measures, and the protocols that measuring them takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from srgrid.files import read_yaml
from srgrid.protocols import PROTOCOLS, Protocol, protocols


@dataclass(frozen=True)
class Choice:
    """One choice: the protocols before and after it, which differ in one field."""

    name: str
    about: str
    before: str
    after: str


@cache
def _load() -> tuple[tuple[Choice, ...], dict[str, dict[str, Any]]]:
    made: dict[str, dict[str, Any]] = {}
    choices = []
    for entry in read_yaml(Path(__file__).with_name("choices.yaml")):
        ends = [_end(entry[key], f"audit-{entry['name']}", made) for key in ("from", "to")]
        choices.append(Choice(entry["name"], entry["about"], *ends))
    return tuple(choices), made


def _end(given: str | dict[str, Any], name: str, made: dict[str, dict[str, Any]]) -> str:
    """The name of one end of a choice: a built-in protocol, one made for an earlier choice, or a new one."""
    if isinstance(given, str):
        return given
    same = next((known for known, fields in made.items() if fields == given), None)
    if same is None:
        made[name] = given
    return same or name


def choices() -> tuple[Choice, ...]:
    """All choices, in the order of choices.yaml."""
    return _load()[0]


def choice_definitions() -> dict[str, dict[str, Any]]:
    """Definitions (as a config's define_protocols) of the protocols that only the audit uses."""
    return _load()[1]


def choice_protocols() -> dict[str, Protocol]:
    """Those protocols, by name."""
    return {name: p for name, p in protocols(choice_definitions()).items() if name not in PROTOCOLS}
