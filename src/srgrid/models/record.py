"""What is written down of weights: the header inside their file, and the record of the training beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.files import staged_file
from srgrid.records import file_digest, read_object

_AGAIN = "fetch or train it again"
_KINDS = {"architecture": str, "name": str, "config": dict, "provenance": dict}


@dataclass(frozen=True)
class WeightsRecord:
    """Header and record of a weights file.

    architecture, name, config, provenance: the header, all that decides the weights, so that the same training gives
    the same bytes. measured: what is measured, and differs from run to run (seconds, hardware, versions, commit); it is
    written beside the file, as .json.
    """

    architecture: str
    name: str
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    measured: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_header(cls, text: str, source: Path) -> WeightsRecord:
        """The record that a header's JSON holds. Raises SrgridError, naming the file, if it is damaged."""
        try:
            header = json.loads(text)
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict):
            raise SrgridError(f"{source}: its header is no JSON object; {_AGAIN}")
        full: dict[str, Any] = {"architecture": "", "name": "", "config": {}, "provenance": {}} | header
        for key, kind in _KINDS.items():
            if not isinstance(full[key], kind):
                raise SrgridError(f"{source}: its header's {key} is no {kind.__name__}; {_AGAIN}")
        return cls(**{key: full[key] for key in _KINDS})

    @property
    def header(self) -> str:
        """The header as JSON."""
        return json.dumps({key: value for key, value in asdict(self).items() if key in _KINDS}, sort_keys=True)

    def write_beside(self, file: Path) -> None:
        """Write the record of a weights file that was just written."""
        record = {"weights_sha256": file_digest(file), "training": self.provenance, **self.measured}
        with staged_file(file.with_suffix(".json")) as staged:
            staged.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def read_beside(file: Path, sha256: str) -> dict[str, Any] | None:
    """The record beside a weights file, if it is that of a file with this digest; None if there is none.

    Raises SrgridError if it is damaged.
    """
    sidecar = file.with_suffix(".json")
    if not sidecar.exists():
        return None
    again = "remove it, or train again"
    record = read_object(sidecar, again)
    wrong = [key for key in ("training", "measured", "versions") if not isinstance(record.get(key, {}), dict)]
    if wrong:
        raise SrgridError(f"{sidecar}: its {', '.join(wrong)} is no JSON object; {again}")
    return record if record.get("weights_sha256") == sha256 else None
