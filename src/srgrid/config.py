"""The workflow's configuration: given its types by a closed schema, with messages that name the key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from srgrid.errors import SrgridError
from srgrid.files import read_yaml

_WHOLE = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None}


def check(config: Mapping[str, Any], schema_file: Path, moved: Mapping[str, str] = {}) -> None:
    """Raise SrgridError, with a line for every key that is unknown, missing or out of range.

    moved: keys that stood elsewhere in earlier versions, and where what they said stands now.
    """
    schema = _schema(schema_file)
    errors = sorted(_Validator(schema).iter_errors(_text_keys(config)), key=lambda error: list(map(str, error.path)))
    if errors:
        lines = [line for error in errors for line in _explain(error, moved)]
        raise SrgridError("config:\n" + "\n".join(f"  {line}" for line in lines))


def coerced(config: Mapping[str, Any], schema_file: Path) -> dict[str, Any]:
    """The configuration with texts turned into the numbers and words that the schema wants, and numbers into texts.

    Snakemake hands over `--config scales=[2]` as ["2"] and `--config run=2024` as 2024; YAML reads 1e-3 as a text and
    2020-01-01 as a date. What fits nothing stays as it is, for `check` to name.
    """
    schema = _schema(schema_file)
    return {str(key): value for key, value in _coerced(config, schema, schema).items()}


@cache
def _schema(file: Path) -> Mapping[str, Any]:
    return dict(read_yaml(file))


def _coerced(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    schema = _resolved(schema, root)
    for choice in schema.get("oneOf", ()):
        made = _coerced(value, choice, root)
        if _Validator({**choice, "$defs": root.get("$defs", {})}).is_valid(made):
            return made
    if isinstance(value, Mapping):
        others = schema.get("additionalProperties")
        known = schema.get("properties", {})
        rest = others if isinstance(others, Mapping) else {}
        return {str(key): _coerced(item, known.get(str(key), rest), root) for key, item in value.items()}
    if isinstance(value, list):
        return [_coerced(item, schema.get("items", {}), root) for item in value]
    wants_text = schema.get("type") == "string" or isinstance(schema.get("enum", [None])[0], str)
    return _text(value) if wants_text else _plain(value)


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        place: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    """A text that spells a number, a truth value or null as what it spells."""
    if not isinstance(value, str):
        return value
    if _WHOLE.fullmatch(value):
        return int(value)
    return float(value) if _DECIMAL.fullmatch(value) else _WORDS.get(value.lower(), value)


def _whole_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """As JSON Schema's `pattern`, but `$` is the end: Python's lets a line feed follow."""
    if validator.is_type(instance, "string") and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator = extend(Draft202012Validator, {"pattern": _whole_pattern})  # type: ignore[no-untyped-call]


def _text_keys(value: Any) -> Any:
    """JSON object keys are text; YAML allows numbers (`init: {3: 2}`)."""
    if isinstance(value, Mapping):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list) else value


def _explain(error: ValidationError, moved: Mapping[str, str]) -> list[str]:
    key = ".".join(str(part) for part in error.path)
    if error.validator == "additionalProperties" and isinstance(error.schema, Mapping):
        properties: Any = error.schema.get("properties") or {}
        known = list(properties)
        instance: Any = error.instance
        unknown = [f"{key}.{name}" if key else name for name in instance if name not in known]
        return [f"{name}: is {moved[name]} now" if name in moved else _unknown(name, known) for name in unknown]
    if error.validator == "pattern" and isinstance(error.schema, Mapping) and "title" in error.schema:
        return [f"{key}: {error.instance!r} is not one of {error.schema['title']}"]
    return [f"{key or 'top level'}: {error.message}"]


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key.rpartition(".")[2], known, n=1)
    return f"{key}: unknown key; " + (f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(known)}")
