"""One selection: the images and crops of a cell that are shown, chosen once and drawn by figure and page alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from srgrid.records import file_digest, sealed, write_record
from srgrid.report.choose import Choice, Crop, check_crop, choose_crop, choose_images, crop_size
from srgrid.report.sources import CellImages

GIVEN = "named in the config"  # the role of an image, and the rule of a crop, that the run itself asks for
BY_PIXELS = "greatest variance of luma over the methods"
IN_FIGURE = 3  # images of a figure whose run names none


@dataclass(frozen=True)
class Wanted:
    """What a run asks for: images of the compare view, side of the crops in HR pixels (None: a fifth of the image),
    and images to show instead of those that the scores choose, each with its crop or None."""

    count: int = IN_FIGURE
    crop_side: int | None = None
    show: Mapping[str, Crop | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """One image, why it is shown, its crop, and how that was found."""

    choice: Choice
    crop: Crop
    crop_rule: str

    def entry(self) -> dict[str, Any]:
        """What the records say of it."""
        role, image, value, whose = self.choice.role, self.choice.image, self.choice.value, self.choice.whose
        value_db = round(value, 6) if np.isfinite(value) else None
        return {"image": image, "role": role, "value_db": value_db, "whose": whose,
                "crop": list(self.crop), "crop_rule": self.crop_rule}  # fmt: skip


@dataclass(frozen=True)
class Selection:
    """The images of a cell that the figure and the page's compare view show, in their order.

    `cell` holds its dataset, scale and protocol.
    """

    cell: Mapping[str, Any]
    scores_sha256: str
    methods: tuple[str, ...]
    figure: tuple[Shown, ...]
    compare: tuple[Shown, ...]

    def record(self) -> dict[str, Any]:
        """The content of selection.json."""
        shown = {one.choice.image: one.entry() for one in (*self.figure, *self.compare)}
        names = {part: [one.choice.image for one in getattr(self, part)] for part in ("figure", "compare")}
        origin = {"scores_sha256": self.scores_sha256, "methods": list(self.methods)}
        return {**self.cell, **origin, "images": list(shown.values()), **names}

    def origin(self) -> dict[str, Any]:
        """What the records of its pictures say of where they come from."""
        selection = sealed("selection", self.record())["record_sha256"]
        return {**self.cell, "scores_sha256": self.scores_sha256, "selection_sha256": selection}

    def write(self, path: Path) -> None:
        """Write it down as a sealed record."""
        write_record(path, "selection", self.record())


def select(cell: CellImages, wanted: Wanted | None = None) -> Selection:
    """Choose what is shown of a cell.

    The figure shows the images that the run names; without any, those of largest gain over bicubic, median and largest
    loss. The compare view shows the same first, and as many more by their scores as the run asks for. Every crop lies
    where the methods differ most, unless the run gives it. Raises SrgridError when an image or a score is not there,
    or a crop leaves its image.
    """
    wanted = wanted or Wanted()
    count = max(IN_FIGURE, wanted.count + len(wanted.show))
    where = (cell.dataset, cell.scale, cell.protocol)
    ranked = choose_images(cell.scores, *where, count=count, metric=cell.metrics[0])
    given = [Choice(GIVEN, name, float("nan"), "") for name in wanted.show]
    figure = given or ranked[:IN_FIGURE]
    others = [choice for choice in ranked if choice.image not in wanted.show]
    compare = [*given, *others[: max(0, wanted.count - len(given))]]
    shown = {choice.image: _shown(cell, choice, wanted) for choice in [*figure, *compare]}
    return Selection(
        {"dataset": cell.dataset, "scale": cell.scale, "protocol": cell.protocol},
        file_digest(cell.scores_csv),
        tuple(cell.srs),
        tuple(shown[choice.image] for choice in figure),
        tuple(shown[choice.image] for choice in compare),
    )


def _shown(cell: CellImages, choice: Choice, wanted: Wanted) -> Shown:
    hr, srs = cell.pair(choice.image)
    height, width = hr.shape[:2]
    given = wanted.show.get(choice.image)
    crop = given or choose_crop(srs, crop_size(width, height, wanted.crop_side), margin=4)
    return Shown(choice, check_crop(crop, width, height, choice.image), GIVEN if given else BY_PIXELS)
