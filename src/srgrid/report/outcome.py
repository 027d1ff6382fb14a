"""What becomes of printed values when a run re-makes them: reproduced, explained by another protocol, or neither."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from srgrid.report.audit import DIFFERS, EXPLAINED, REPRODUCED, by_cell
from srgrid.report.claims import Claim, Found, held_against
from srgrid.report.published import Published


@dataclass(frozen=True)
class Outcome:
    """One printed value, and what every protocol of a run gives for it, the nearest first."""

    cell: Published
    found: list[Found]

    @property
    def own(self) -> Found | None:
        """What the protocol gives that the value stands under, if the run has it."""
        return next((one for one in self.found if one.protocol == self.cell.protocol), None)

    @property
    def verdict(self) -> str:
        """One of the audit's verdicts."""
        if self.own and self.own.how:
            return REPRODUCED
        return EXPLAINED if self.found[0].how else DIFFERS

    @property
    def psnr_holds(self) -> bool:
        """Whether PSNR alone comes out under the protocol that the value stands under."""
        claim = Claim.of(self.cell.text.partition("/")[0], self.cell.dataset, self.cell.scale, self.cell.method)
        return bool(self.own and held_against(claim, {self.own.protocol: (self.own.psnr, self.own.ssim)})[0].how)

    def __str__(self) -> str:
        """The verdict in words: "every digit", "every digit under luma8", "no: -0.02 dB, +0.0004 under rgb8"."""
        best = self.own if self.own and self.own.how else self.found[0]
        under = "" if best.protocol == self.cell.protocol else f" under {best.protocol}"
        if best.how:
            return f"every digit{', further ones cut off' if best.how == 'cut off' else ''}{under}"
        psnr, ssim = best.apart
        return f"no; nearest {psnr:+z.3f} dB, {ssim:+z.5f}{under}"


def outcomes(cells: Iterable[Published], grid: pd.DataFrame) -> list[Outcome]:
    """The outcome of every printed value whose data set, scale and method a grid holds, PSNR and SSIM both."""
    values: dict[tuple[str, int, str], dict[str, tuple[float, float]]] = {}
    for (dataset, scale, method, protocol), score in by_cell(grid).items():
        values.setdefault((dataset, scale, method), {})[protocol] = (score.psnr, score.ssim)
    keyed = ((cell, (cell.dataset, cell.scale, cell.method)) for cell in cells)
    return [Outcome(cell, held_against(Claim.of(cell.text, *key), values[key])) for cell, key in keyed if key in values]
