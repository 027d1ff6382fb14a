"""The workflow's configuration: checked against a closed schema, with messages that name the key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from srgrid.errors import SrgridError


def check(config: Mapping[str, Any], schema_file: Path) -> None:
    """Raise SrgridError, with a line for every key that is unknown, missing or out of range."""
    schema = yaml.safe_load(schema_file.read_text())
    plain = _text_keys(config)
    errors = sorted(Draft202012Validator(schema).iter_errors(plain), key=lambda error: list(map(str, error.path)))
    if errors:
        lines = [line for error in errors for line in _explain(error)]
        raise SrgridError("config:\n" + "\n".join(f"  {line}" for line in lines))


def _text_keys(value: Any) -> Any:
    """JSON object keys are text; YAML allows numbers (`init: {3: 2}`)."""
    if isinstance(value, Mapping):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list) else value


def _explain(error: ValidationError) -> list[str]:
    key = ".".join(str(part) for part in error.path)
    if error.validator == "additionalProperties" and isinstance(error.schema, Mapping):
        properties: Any = error.schema.get("properties") or {}
        known = list(properties)
        instance: Any = error.instance
        unknown = [name for name in instance if name not in known]
        return [f"{key + '.' if key else ''}{name}: unknown key{_hint(name, known)}" for name in unknown]
    return [f"{key or 'top level'}: {error.message}"]


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; the keys here are {', '.join(known)}"
