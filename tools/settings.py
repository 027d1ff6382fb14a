"""Write what repeats the records of settings: config.yaml, its schema, and docs/settings.md.

python tools/settings.py
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import MISSING, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from srgrid.configuration import Config, defaults
from srgrid.files import staged_file
from srgrid.settings import Options, schema, told
from srgrid.train.recipes import TrainConfig

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = "written by tools/settings.py from src/srgrid/configuration.py"
WIDTH = 120
KINDS = {
    "object": "mapping",
    "array": "list",
    "string": "text",
    "boolean": "`true`, `false`",
    "integer": "whole number",
    "number": "number",
}

SCHEMA_HEAD = f"""\
# {WRITTEN.capitalize()}.
$schema: https://json-schema.org/draft/2020-12/schema
title: srgrid configuration
"""

CONFIG_HEAD = f"""\
# The published benchmark. Every key is checked against workflow/schemas/config.schema.yaml: an unknown one is an error.
# Another run lays its own values over these: snakemake --cores 2 --configfile config/demo.yaml
# This file is {WRITTEN}.
"""

PAGE_HEAD = """\
# Settings

This page is written by `tools/settings.py` from the records of settings in src/srgrid.
"""

PARTS = (
    (
        "The configuration",
        "Keys of `config.yaml` (`srgrid.configuration.Config`). An unknown key is an error that names it.",
        Config,
    ),
    (
        "A training",
        "Keys of the config's `train.settings` and of `srgrid train --settings` (`srgrid.train.TrainConfig`), with "
        "their defaults; a recipe ([training.md](training.md#recipes)) changes some.",
        TrainConfig,
    ),
    ("An upscaling", "Options of `srgrid upscale` and fields of `srgrid.upscale.Options`.", Options),
)


def main() -> None:
    for name, text in texts().items():
        with staged_file(ROOT / name) as staged:
            staged.write_text(text)


def texts() -> dict[str, str]:
    """What each written file holds."""
    body = yaml.safe_dump(schema(Config), sort_keys=False, width=WIDTH)
    return {
        "config.yaml": "\n".join([CONFIG_HEAD, *keys(Config, defaults(), "")]),
        "workflow/schemas/config.schema.yaml": SCHEMA_HEAD + body,
        "docs/settings.md": "\n".join([PAGE_HEAD, *(part(*each) for each in PARTS)]),
    }


def keys(record: Any, values: dict[str, Any], indent: str) -> list[str]:
    """The keys of a record as commented YAML; a blank line after each of the first level."""
    lines = []
    for name, one in told(record).items():
        if is_dataclass(one.default):
            lines += [f"{indent}{name}:", *keys(type(one.default), values[name], indent + "  "), ""]
            continue
        for line in one.metadata["about"].splitlines():
            wrapped = textwrap.wrap(line, WIDTH - len(indent) - 2, drop_whitespace=True, break_on_hyphens=False)
            inner = line[: len(line) - len(line.lstrip())]
            lines += [f"{indent}# {text if text.startswith(inner) else inner + text}" for text in wrapped]
        lines += [f"{indent}{name}: {value(values[name])}", *([] if indent else [""])]
    return lines


def value(given: Any) -> str:
    """A value on one line of YAML."""
    if given == "":
        return '""'
    plain = list(given) if isinstance(given, tuple) else given
    return yaml.safe_dump(plain, default_flow_style=True, width=10**6).removesuffix("\n").removesuffix("\n...")


def part(title: str, about: str, record: Any) -> str:
    return "\n".join([f"## {title}", "", about, "", *table(record), ""])


def table(record: Any) -> list[str]:
    """A row a setting: name, default, what it may hold, meaning."""
    lines = ["| key | default | values | meaning |", "|---|---|---|---|"]
    for name, one, rule in rows(record, schema(record)):
        default = one.default if one.default_factory is MISSING else one.default_factory()
        about = " ".join(one.metadata["about"].split())
        lines.append(f"| `{name}` | {shown(default)} | {values(rule)} | {about} |")
    return lines


def rows(record: Any, rule: dict[str, Any], before: str = "") -> list[tuple[str, Any, dict[str, Any]]]:
    """Dotted name, field and schema of every setting."""
    found = []
    for name, one in told(record).items():
        inner = rule["properties"][name]
        if is_dataclass(one.default):
            found += rows(type(one.default), inner, f"{before}{name}.")
        else:
            found.append((before + name, one, inner))
    return found


def shown(default: Any) -> str:
    return "none" if default is None else "empty" if default == "" else f"`{value(default)}`"


def values(rule: dict[str, Any]) -> str:
    """What a schema admits, in words."""
    if "oneOf" in rule:  # a type, or none
        rule = {**rule, **rule["oneOf"][0]}
    if "enum" in rule:
        return ", ".join(f"`{one}`" for one in rule["enum"])
    kind = KINDS[rule["type"]]
    if "exclusiveMaximum" in rule:
        return f"{kind}, {rule['minimum']:g} or more, below {rule['exclusiveMaximum']:g}"
    if "minimum" not in rule:
        return kind
    bounded = rule.get("maximum", math.inf) <= 2**16
    return f"{kind}, {rule['minimum']:g} " + (f"to {rule['maximum']:g}" if bounded else "or more")


if __name__ == "__main__":
    main()
