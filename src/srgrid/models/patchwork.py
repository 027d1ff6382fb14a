"""Cutting an image up before the network, for networks whose architecture has no tiler.

Tiles overlap, and of each the middle is kept. What the network sees still ends at a tile's border, and means over the
image become a tile's: the answer is not that of the whole image. So it is done only where it is asked for, or memory
demands it, and is taken down.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from srgrid.errors import SrgridError
from srgrid.progress import track

SMALLEST_TILE = 32
_MOST_OVERLAP = 64


class Sized(Protocol):
    """What cutting up asks of a network."""

    @property
    def scale(self) -> int: ...
    @property
    def multiple_of(self) -> int: ...
    @property
    def fixed(self) -> tuple[int, int] | None: ...


@dataclass
class Patchwork:
    """How the images of one call are cut up. cut: those that were, by name: side of the tiles, and pixels shared."""

    asked: int | None = None  # side of the tiles, in LR pixels
    allowed: int | None = None  # by memory, once it ran out
    used: tuple[int, int] | None = None  # side and overlap
    cut: dict[str, dict[str, int]] = field(default_factory=dict)

    def run(self, module: nn.Module, x: Tensor, network: Sized) -> Tensor:
        """The module's answer to N x 3 x H x W: to the whole image, or put together of those to its tiles."""
        window = self._window(x, network)
        if window is None:
            out: Tensor = module(x)
            return out
        overlap = min(_MOST_OVERLAP, min(window) // 4)
        self.used = (max(window), overlap)
        return _put_together(module, x, window, overlap, network.scale)

    def shrink(self, x: Tensor, network: Sized) -> bool:
        """After memory ran out: whether smaller tiles can be tried."""
        height, width = x.shape[2:]
        failed = min(self.allowed or self.asked or max(height, width), max(height, width))
        if network.fixed or failed <= SMALLEST_TILE:
            return False
        self.allowed = max(SMALLEST_TILE, failed // 2)
        print(
            f"srgrid: image of {width} x {height} pixels: not enough memory; computed in tiles of {self.allowed}, which"
            " is not the same as the whole image",
            file=sys.stderr,
            flush=True,
        )
        return True

    def take_down(self, names: Sequence[str], other: Patchwork) -> None:
        """Note the images of a call that another one cut up."""
        if other.used:
            side, overlap = other.used
            self.cut |= {Path(name).stem: {"side": side, "overlap": overlap} for name in names}

    def _window(self, x: Tensor, network: Sized) -> tuple[int, int] | None:
        """Height and width of the tiles; None for the whole image."""
        height, width = x.shape[2:]
        side = self.allowed or self.asked
        if (height, width) == network.fixed or side is None or (side >= max(height, width) and not network.fixed):
            return None
        if network.fixed:
            if side != max(network.fixed):
                raise SrgridError(f"tile {side}: this network takes images of {max(network.fixed)} alone; ask for that")
            return network.fixed
        side += -side % network.multiple_of
        return min(side, height), min(side, width)


def _put_together(module: nn.Module, x: Tensor, window: tuple[int, int], overlap: int, scale: int) -> Tensor:
    number, channels, height, width = x.shape
    out = torch.empty((number, channels, height * scale, width * scale), device=x.device)
    tiles = list(product(_places(height, window[0], overlap), _places(width, window[1], overlap)))
    for (top, first_row, last_row), (left, first, last) in track(tiles, tiles_of(x), brief=True):
        tile = module(x[:, :, top : top + window[0], left : left + window[1]].contiguous())
        rows = slice((first_row - top) * scale, (last_row - top) * scale)
        columns = slice((first - left) * scale, (last - left) * scale)
        out[:, :, first_row * scale : last_row * scale, first * scale : last * scale] = tile[:, :, rows, columns]
    return out


def tiles_of(x: Tensor) -> str:
    """What progress calls the tiles of images, N x 3 x H x W."""
    return f"tiles of an image of {x.shape[3]} x {x.shape[2]} pixels"


def _places(length: int, side: int, overlap: int) -> Iterator[tuple[int, int, int]]:
    """Where each tile begins, and from where to where it is kept: to the middle of what it shares with the next."""
    starts = [*range(0, length - side, side - overlap), length - side]
    bounds = [0, *((one + side + other) // 2 for one, other in pairwise(starts)), length]
    return zip(starts, bounds[:-1], bounds[1:], strict=True)
