"""What a verification found, one line for each thing that was compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from srgrid.files import staged_file

How = Literal["equal", "within tolerance", "other version", "not sampled", "differs", "cannot be checked"]
DIFFERS, UNCHECKED = 1, 2  # exit statuses


@dataclass(frozen=True)
class Finding:
    """One thing that was compared.

    equal: to every bit or stored digit. within tolerance: of `srgrid.verification.tolerance`. other version: made by
    other code or packages than these, which is no fault in itself. cannot be checked: `detail` says why.
    """

    what: str
    how: How
    detail: str = ""


@dataclass(frozen=True)
class Verified:
    """All that was found of a run. cells: how many were made again, and how many the run has."""

    run_dir: Path
    findings: tuple[Finding, ...]
    cells: tuple[int, int]

    @property
    def status(self) -> int:
        """0, 1 if anything differs, or 2 if nothing does and something cannot be checked."""
        held = {one.how for one in self.findings}
        return DIFFERS if "differs" in held else UNCHECKED if "cannot be checked" in held else 0

    def lines(self) -> Iterator[str]:
        """The table as text, and its sum."""
        widths = [max(len(getattr(one, key)) for one in self.findings) for key in ("what", "how")]
        for one in self.findings:
            yield f"{one.what:<{widths[0]}}  {one.how:<{widths[1]}}  {one.detail}".rstrip()
        counted = Counter(one.how for one in self.findings)
        yield f"{self.run_dir}: {self.cells[0]} of {self.cells[1]} cells made again; " + ", ".join(
            f"{count} {how}" for how, count in counted.items()
        )

    def write(self, out: Path) -> None:
        """Write it as JSON, atomically."""
        record = {"cells": self.cells, "findings": [asdict(one) for one in self.findings], "status": self.status}
        with staged_file(out) as staged:
            staged.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
