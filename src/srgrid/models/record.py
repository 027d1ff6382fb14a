"""What stands on record of a weights file: the header inside it, and the .json that a training writes beside it.

Both are written here, and read here, strictly. Nothing here imports torch, and no tensor is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.models.architecture import written
from srgrid.models.kinds import kind_of
from srgrid.networks import ARCHITECTURES
from srgrid.records import file_digest, read_object

HEADER = "srgrid"
"""The key of the header in a safetensors file's metadata."""

_TEXT = (str, type(None))
_AGAIN = "fetch or train it again"


@dataclass(frozen=True)
class WeightsRecord:
    """All that is on record of a weights file: what decides it, in its header, and what was measured, beside it."""

    architecture: str
    config: Any
    name: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)  # how the weights came to be
    licence: str | None = None  # None is unknown
    # From here on in the .json beside the file, since two trainings that end in the same weights differ in it.
    measured: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    commit: str | None = None

    def header(self) -> str:
        """The text that stands in the file: the same record always gives the same."""
        said: dict[str, Any] = {"architecture": self.architecture, "name": self.name, "config": written(self.config)}
        said |= {"provenance": self.provenance} | ({"licence": self.licence} if self.licence else {})
        return json.dumps(said, sort_keys=True)

    def beside(self, weights_sha256: str) -> dict[str, Any]:
        """What stands in the .json beside weights with this digest; their provenance is there again, for readers."""
        said: dict[str, Any] = {"weights_sha256": weights_sha256, "training": self.provenance}
        said |= {"measured": self.measured, "versions": self.versions, "commit": self.commit}
        return said | ({"licence": self.licence} if self.licence else {})

    def write_beside(self, weights: Path) -> None:
        """Write that .json."""
        with staged_file(weights.with_suffix(".json")) as staged:
            staged.write_text(json.dumps(self.beside(file_digest(weights)), indent=1, sort_keys=True) + "\n")

    @classmethod
    def of_header(cls, text: str, path: Path) -> WeightsRecord:
        """The record in a header; keys that this version does not know are passed over.

        Raises SrgridError if it is damaged, or of an unknown architecture.
        """
        said: Any
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise SrgridError(f"{path}: its header is no JSON object; {_AGAIN}")
        kinds = {"name": str, "provenance": dict, "config": dict, "licence": _TEXT}
        said = {"name": "", "provenance": {}, "config": {}, "licence": None, **said}
        _require(said, kinds, f"{path}: its header's", _AGAIN)
        architecture, config = said.get("architecture"), _config(path, said.get("architecture"), said["config"])
        return cls(str(architecture), config, said["name"], said["provenance"], said["licence"])

    @classmethod
    def of_file(cls, path: Path) -> WeightsRecord | None:
        """The record in a weights file's header; None of a file that is not srgrid's.

        Raises SrgridError as `of_header`.
        """
        text = _metadata(path).get(HEADER)
        return None if text is None else cls.of_header(str(text), path)

    def with_measured(self, weights: Path) -> WeightsRecord:
        """The same with what the .json beside the weights adds, if there is one and it is of these weights.

        Raises SrgridError if it is damaged.
        """
        path = weights.with_suffix(".json")
        if not path.exists():
            return self
        again = "remove it, or train again"
        said = {"commit": None, "licence": None} | read_object(path, again)
        if said.get("weights_sha256") != file_digest(weights):
            return self
        kinds = {"measured": dict, "versions": dict, "commit": _TEXT, "licence": _TEXT}
        _require(said, kinds, f"{path}: its", again)
        return replace(self, **{key: said[key] for key in kinds} | {"licence": self.licence or said["licence"]})


def _require(said: Mapping[str, Any], kinds: Mapping[str, Any], what: str, again: str) -> None:
    for key, kind in kinds.items():
        if not isinstance(said.get(key), kind):
            expected = "text" if kind in (str, _TEXT) else "JSON object"
            raise SrgridError(f"{what} {key} is no {expected}; {again}")


def _config(path: Path, architecture: Any, given: dict[str, Any]) -> Any:
    kind = ARCHITECTURES.get(architecture) if isinstance(architecture, str) else None
    if kind is None:
        known = ", ".join(map(repr, ARCHITECTURES))
        raise SrgridError(f"{path}: unknown model architecture {str(architecture)[:80]!r}; this srgrid knows {known}")
    needed = {one.name for one in fields(kind.config) if not one.metadata.get("later")}
    if not needed <= set(given) <= {one.name for one in fields(kind.config)}:
        raise SrgridError(f"{path}: its header's model config has the wrong keys: {', '.join(sorted(given))[:200]}")
    try:
        return kind.config(**given)
    except SrgridError as error:
        raise SrgridError(f"{path}: its header's model config: {error}") from None


def _metadata(path: Path) -> dict[str, Any]:
    """The metadata of a safetensors file; empty for any other file."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
            if kind_of(start) != "safetensors":
                return {}
            length = int.from_bytes(start[:8], "little")
            if length > path.stat().st_size:
                raise ValueError("it is cut short")
            said = json.loads(start[8:] + file.read(length - 1)).get("__metadata__", {})
    except OSError as error:
        raise SrgridError(f"{path}: cannot be read ({error.strerror}); give a weights file") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise SrgridError(f"{path}: not a whole safetensors file ({str(error)[:200]}); {_AGAIN}") from None
    return said if isinstance(said, dict) else {}
