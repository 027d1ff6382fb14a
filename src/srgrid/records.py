"""Records: JSON files beside tables and pictures that say by digests what these are and what made them.

A record carries a digest of itself, so that one that was edited or damaged is known by it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from srgrid.errors import SrgridError
from srgrid.files import staged_file

CELL = ["dataset", "scale", "method", "protocol"]
TABLES = "tables.json"
SELECTION = ".selection.json"  # end of the name of a selection, beside its figure
TABLE_NAMES = ("grid.csv", "scores.csv", "intervals.csv")
_SEAL = "record_sha256"
_GRID_AGAIN = "make the grid again (srgrid grid)"


def file_digest(path: str | os.PathLike[str]) -> str:
    """sha256 (hex) of a file's bytes. Raises SrgridError if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise SrgridError(f"{path} is missing; make it first") from None
    except OSError as error:
        raise SrgridError(f"{path}: cannot be read ({error.strerror})") from None


def content_digest(path: str | os.PathLike[str]) -> str:
    """`file_digest` of a file; of a folder, sha256 (hex) over names and digests of all files in it, at any depth."""
    folder = Path(path)
    if not folder.is_dir():
        return file_digest(path)
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return _seal({name: file_digest(file) for name, file in files.items()})


def write_record(path: Path, kind: str, record: Mapping[str, Any]) -> None:
    """Write a record of a kind (see records.schema.yaml) with its own digest."""
    with staged_file(Path(path)) as staged:
        staged.write_text(json.dumps(sealed(kind, record), indent=1, sort_keys=True) + "\n")


def sealed(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as it is written: with its kind, and its own digest as `record_sha256`."""
    content = json.loads(json.dumps({**record, "kind": kind}, allow_nan=False))
    return {**content, _SEAL: _seal(content)}


def read_record(path: Path, kind: str, again: str) -> dict[str, Any]:
    """A record as it was written. `again` says what to do otherwise.

    Raises SrgridError when the file is missing, damaged, edited, of another kind, or of another shape.
    """
    loaded = read_object(path, again)
    seal = loaded.pop(_SEAL, None)
    if seal != _seal(loaded) or loaded.get("kind") != kind:
        raise SrgridError(f"{path}: edited, damaged, or no {kind} record of this version; {again}")
    error = best_match(_validator(kind).iter_errors(loaded))
    if error is not None:
        key = ".".join(map(str, error.absolute_path)) or "top level"
        raise SrgridError(f"{path}: {key}: {error.message[:300]}; {again}")
    return loaded


@cache
def _validator(kind: str) -> Draft202012Validator:
    """Of the shape of one kind of record: records.schema.yaml."""
    schema = yaml.safe_load(Path(__file__).with_name("records.schema.yaml").read_text(encoding="utf-8"))
    return Draft202012Validator({**schema, "$ref": f"#/$defs/{kind}"})


def read_object(path: Path, again: str) -> dict[str, Any]:
    """One JSON object. Raises SrgridError, ending in `again`, when the file is missing or holds none."""
    try:
        loaded = json.loads(Path(path).read_bytes(), parse_constant=_no_number)
    except FileNotFoundError:
        raise SrgridError(f"{path} does not exist; {again}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SrgridError(f"{path}: not readable JSON ({type(error).__name__}: {error}); {again}") from None
    if not isinstance(loaded, dict):
        raise SrgridError(f"{path}: holds no JSON object; {again}")
    return loaded


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def tables_record(folder: Path, tables: Iterable[str] = ()) -> dict[str, Any]:
    """What `srgrid grid` wrote down beside its tables, after comparing the named ones with their digests.

    Raises SrgridError, naming the table, when one is missing or was edited, or there is no such record.
    """
    folder = Path(folder)
    names = list(tables)
    for name in names:
        if not (folder / name).exists():
            raise SrgridError(f"{folder / name} does not exist; {_GRID_AGAIN}")
    record = read_record(folder / TABLES, "tables", _GRID_AGAIN)
    check_files(folder, {name: record["sha256"].get(name, "") for name in names}, _GRID_AGAIN)
    return record


def check_files(folder: Path, digests: Mapping[str, str], again: str) -> None:
    """Raise SrgridError, naming them, unless the files of a folder have these digests."""
    changed = [name for name, digest in digests.items() if file_digest(Path(folder) / name) != digest]
    if changed:
        where = ", ".join(str(Path(folder) / name) for name in changed)
        raise SrgridError(f"{where}: edited or damaged since it was made; {again}")


def flatten(record: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one level with dotted keys; lists of plain values stay lists."""
    if isinstance(record, Mapping):
        items: Iterable[tuple[Any, Any]] = record.items()
    elif isinstance(record, list) and any(isinstance(item, Mapping | list) for item in record):
        items = enumerate(record)
    else:
        return {prefix: record}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
