"""RCAN in tiles, layer by layer, for images that do not fit into memory at once.

Every tile carries the few pixels of border its layer sees, and the attention's means are taken over the whole image, so
a tile's pixels are the whole image's own: there are no seams, whatever the tile size. (Cutting the image up before the
network, as is usual, changes those means: PSNR moved by up to 0.15 dB in other toolboxes.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from srgrid.models.architecture import Tiler
from srgrid.models.devices import free_memory
from srgrid.models.patchwork import tiles_of
from srgrid.models.rcan import Block, Group, Rcan
from srgrid.models.rcan_config import RcanConfig
from srgrid.progress import track

_TAIL_HALO = 2  # LR pixels that the upsampler's three 3x3 convolutions see, rounded up


def bytes_per_pixel(config: RcanConfig) -> int:
    """Upper estimate of the memory a LR pixel needs: about 8 maps in the trunk, 3 at SR size in the upsampler."""
    return 4 * config.features * (8 + 3 * config.scale**2) + 4 * 6 * config.scale**2


def tiled(model: Rcan, x: Tensor, side: int) -> Tensor:
    """The model on N x 3 x H x W, one layer after another, each in tiles of `side` LR pixels.

    Feature maps of the whole image are kept (on the CPU if the GPU has no room for them); only what a layer needs
    beside them is limited to a tile.
    """
    number, _, height, width = x.shape
    maps = 5 * 4 * number * model.config.features * height * width
    store = x.device if maps < 0.6 * free_memory(x.device) else torch.device("cpu")
    sweep = _Sweep(side, x.device, store, _tiles_of_all_layers(model.config, x, side))
    head = sweep(lambda a: model.head(model.sub_mean(a * model.config.rgb_range)), 1, x)
    deep = head
    for group in list(model.body)[:-1]:
        assert isinstance(group, Group)
        deep = _tiled_group(group, deep, sweep)
    deep = sweep(lambda a, b: model.body[-1](a) + b, 1, deep, head)
    out = sweep(
        lambda a: model.add_mean(model.tail(a)) / model.config.rgb_range, _TAIL_HALO, deep, scale=model.config.scale
    )
    return out.to(x.device)


def _tiles_of_all_layers(config: RcanConfig, x: Tensor, side: int) -> Iterator[int]:
    """Shows how many of all tiles are done: `next` after each."""
    layers = 3 + config.groups * (2 * config.blocks + 1)  # head, body and tail; a block has two, and a group one more
    number = layers * -(-x.shape[2] // side) * -(-x.shape[3] // side)
    shown = iter(track(range(number), tiles_of(x), brief=True))
    next(shown)
    return shown


TILER = Tiler(tiled, bytes_per_pixel)


def _tiled_group(group: Group, start: Tensor, sweep: _Sweep) -> Tensor:
    x = start
    for block in list(group.body)[:-1]:
        assert isinstance(block, Block)
        convs, attention = block.body[:3], block.body[3]
        inner = sweep(convs, 2, x)
        pooled = inner.mean(dim=(2, 3), keepdim=True, dtype=torch.float32).to(inner.dtype).to(sweep.device)
        rescale = _rescale(attention, pooled)
        x = sweep(rescale, int(attention.halo), inner, x)  # type: ignore[arg-type]
    return sweep(lambda a, b: b + group.body[-1](a), 1, x, start)


def _rescale(attention: nn.Module, pooled: Tensor) -> Callable[..., Tensor]:
    return lambda inner, x: x + attention(inner, pooled)


class _Sweep:
    """Applies one layer to whole-image maps tile by tile."""

    def __init__(self, side: int, device: torch.device, store: torch.device, shown: Iterator[int]) -> None:
        self.side, self.device, self.store, self.shown = side, device, store, shown

    def __call__(self, layer: Callable[..., Tensor], halo: int, *maps: Tensor, scale: int = 1) -> Tensor:
        height, width = maps[0].shape[2:]
        out: Tensor | None = None
        for (top, bottom), (left, right) in self._tiles(height, width):
            above, before = min(halo, top), min(halo, left)
            rows = slice(top - above, min(height, bottom + halo))
            columns = slice(left - before, min(width, right + halo))
            part = layer(*(m[:, :, rows, columns].to(self.device) for m in maps))
            part = part[:, :, above * scale :, before * scale :]
            part = part[:, :, : (bottom - top) * scale, : (right - left) * scale]
            next(self.shown, None)
            if out is None:
                shape = (part.shape[0], part.shape[1], height * scale, width * scale)
                out = torch.empty(shape, dtype=part.dtype, device=self.store, memory_format=torch.channels_last)
            out[:, :, top * scale : bottom * scale, left * scale : right * scale] = part
        assert out is not None
        return out

    def _tiles(self, height: int, width: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        for top in range(0, height, self.side):
            for left in range(0, width, self.side):
                yield (top, min(height, top + self.side)), (left, min(width, left + self.side))
