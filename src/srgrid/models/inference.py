"""Running a model on one image or a batch: precision, self-ensemble, memory.

An image that does not fit into memory at once is worked on in tiles, layer by layer. Every tile carries the few
pixels of border its layer sees, and the attention's means are taken over the whole image, so a tile's pixels are the
whole image's own: there are no seams, whatever the tile size. (Cutting the image up before the network, as is usual,
changes those means: PSNR moved by up to 0.15 dB in other toolboxes.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srgrid.errors import SrgridError
from srgrid.images import check, from_pil
from srgrid.models.rcan import Block, Group, Rcan
from srgrid.settings import Precision

Float = npt.NDArray[np.float32]

SMALLEST_TILE = 32
_TAIL_HALO = 2  # LR pixels that the upsampler's three 3x3 convolutions see, rounded up


class NotFiniteError(SrgridError):
    """A network answered with NaN or infinities: its weights, or the precision, do not suit the image."""


def upscale_any(model: Rcan, image: Any, **options: Any) -> Any:
    """`upscale_array` for a PIL image or a uint8 array, returning the same kind.

    A PIL image is taken as a file is: turned upright, and refused if it would lose something (srgrid.images.from_pil).
    """
    from PIL import Image

    if not isinstance(image, Image.Image):
        return upscale_array(model, image, **options)
    return Image.fromarray(upscale_array(model, from_pil(image), **options))


def upscale_array(
    model: Rcan,
    image: npt.NDArray[np.uint8],
    tile: int | None = None,
    ensemble: bool = False,
    precision: Precision = "auto",
) -> npt.NDArray[np.uint8]:
    """Enlarge a uint8 image, H x W or H x W x 3, to `scale` times its size, rounded to 8 bits (half up).

    A grey image is given to the network as three equal channels, and the mean of its three answers is returned.
    tile: side of the tiles in LR pixels; None means the whole image at once, or the largest tiles that fit in memory.
    ensemble: average over the 8 flips and quarter turns of the image (8 times the work).
    precision: "bf16", "fp32", or "auto": bf16 where the processor computes it natively and the model allows it.
    Raises SrgridError for a wrong image, or if memory does not suffice even for the smallest tiles.
    """
    return to_uint8(upscale_float(model, [image], tile, ensemble, precision)[0])


def upscale_float(
    model: Rcan,
    images: list[npt.NDArray[np.uint8]],
    tile: int | None = None,
    ensemble: bool = False,
    precision: Precision = "auto",
    names: Sequence[str] = (),
) -> list[Float]:
    """As `upscale_array` for images of one size, as one batch; returns float32 in 0..255, clamped but not rounded.

    names: what to call the images in messages. Raises NotFiniteError if the network's answer to one is not finite.
    """
    for image in images:
        check(image)
        if image.ndim == 3 and image.shape[2] != 3:
            raise SrgridError(f"image: expected 1 or 3 channels, got {image.shape[2]}")
    if tile is not None and tile < SMALLEST_TILE:
        raise SrgridError(f"tile {tile}: the smallest tile is {SMALLEST_TILE} LR pixels")
    colour = [image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images]
    device = next(model.parameters()).device
    batch = torch.from_numpy(np.stack(colour)).to(device).permute(0, 3, 1, 2).float().div_(255)
    with torch.inference_mode(), autocast(model, device, precision):
        out = _ensemble(model, batch, tile) if ensemble else _run(model, batch, tile)
        if not bool(torch.isfinite(out).all()):
            bf16 = uses_bf16(model, device, precision)
            raise NotFiniteError(_where(out, names, model.config.scale, "bf16" if bf16 else "fp32"))
        values = out.float().mul(255).clamp_(0, 255).permute(0, 2, 3, 1).cpu().numpy()
    return [sr if im.ndim == 3 else sr.mean(axis=2) for sr, im in zip(values, images, strict=True)]


def _where(out: Tensor, names: Sequence[str], scale: int, precision: str) -> str:
    bad = ~torch.isfinite(out)
    index = int(bad.flatten(1).any(dim=1).nonzero()[0])
    name = names[index] if names else f"image {index + 1} of {len(out)}"
    places = bad[index].any(dim=0)
    row, column = (int(n) // scale for n in places.nonzero()[0])
    share = float(places.double().mean())
    advice = "try --precision fp32" if precision == "bf16" else "the weights do not suit it, or are damaged"
    return (
        f"{name}: the network's answer in {precision} is not finite (NaN or infinite) at {share:.1%} of its pixels,"
        f" the first at LR row {row}, column {column}; {advice}"
    )


def to_uint8(values: Float) -> npt.NDArray[np.uint8]:
    """Round float 0..255 to 8 bits, half up."""
    rounded: npt.NDArray[np.uint8] = np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)
    return rounded


def autocast(model: Rcan, device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """The autocast context for a precision. Raises SrgridError for bf16 on a model that it would ruin."""
    use = uses_bf16(model, device, precision)
    return torch.autocast(device_type=device.type, dtype=torch.bfloat16, enabled=use)


def uses_bf16(model: Rcan, device: torch.device, precision: Precision) -> bool:
    """Whether a precision means bf16 for this model on this device. Raises SrgridError if it would ruin the model."""
    if precision not in get_args(Precision):
        raise SrgridError(f"precision {precision!r}: choose auto, fp32 or bf16")
    if precision == "bf16" and not model.bf16_safe:
        raise SrgridError("precision bf16: this model's mean shift is 255 times its input range; use fp32")
    return precision == "bf16" or (precision == "auto" and model.bf16_safe and has_native_bf16(device))


def has_native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text()
        return "avx512_bf16" in flags or "amx_bf16" in flags
    return False


def _ensemble(model: Rcan, x: Tensor, tile: int | None) -> Tensor:
    total: Tensor | None = None
    for turns in range(4):
        for flip in (False, True):
            turned = torch.rot90(x.flip(3) if flip else x, turns, (2, 3))
            out = torch.rot90(_run(model, turned, tile), -turns, (2, 3))
            out = out.flip(3) if flip else out
            total = out if total is None else total + out
    assert total is not None
    return total / 8


def _run(model: Rcan, x: Tensor, tile: int | None) -> Tensor:
    """The whole image if it fits (or tiles of the size asked for); smaller tiles each time memory runs out."""
    x = x.contiguous(memory_format=torch.channels_last)
    side = tile if tile is not None else largest_tile(model, x)
    while True:
        try:
            return model(x) if side >= max(x.shape[2:]) else tiled(model, x, side)
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            failed, side = side, max(SMALLEST_TILE, min(side, max(x.shape[2:])) // 2)
        if x.is_cuda:
            torch.cuda.empty_cache()
        if failed <= SMALLEST_TILE:
            height, width = x.shape[2:]
            raise SrgridError(f"image of {width} x {height} pixels: not enough memory, even in tiles of {failed}")


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)


def largest_tile(model: Rcan, x: Tensor) -> int:
    """The side in LR pixels of the largest tile that free memory holds; at least the image's side if all of it does."""
    free = free_memory(x.device)
    number, _, height, width = x.shape
    pixel = number * bytes_per_pixel(model)
    if pixel * height * width < 0.6 * free:
        return int(max(height, width))
    return max(SMALLEST_TILE, int((0.3 * free / pixel) ** 0.5) // 32 * 32)


def bytes_per_pixel(model: Rcan) -> int:
    """Upper estimate of the memory a LR pixel needs: about 8 maps in the trunk, 3 at SR size in the upsampler."""
    config = model.config
    return 4 * config.features * (8 + 3 * config.scale**2) + 4 * 6 * config.scale**2


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on the device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    free = 4 << 30
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
        free = min(free, limit)
    return max(free, 64 << 20)


def tiled(model: Rcan, x: Tensor, side: int) -> Tensor:
    """The model on N x 3 x H x W, one layer after another, each in tiles of `side` LR pixels.

    Feature maps of the whole image are kept (on the CPU if the GPU has no room for them); only what a layer needs
    beside them is limited to a tile.
    """
    number, _, height, width = x.shape
    maps = 5 * 4 * number * model.config.features * height * width
    store = x.device if maps < 0.6 * free_memory(x.device) else torch.device("cpu")
    sweep = _Sweep(side, x.device, store)
    head = sweep(lambda a: model.head(model.sub_mean(a * model.config.rgb_range)), 1, x)
    deep = head
    for group in list(model.body)[:-1]:
        assert isinstance(group, Group)
        deep = _tiled_group(group, deep, sweep)
    deep = sweep(lambda a, b: model.body[-1](a) + b, 1, deep, head)
    return sweep(
        lambda a: model.add_mean(model.tail(a)) / model.config.rgb_range, _TAIL_HALO, deep, scale=model.config.scale
    ).to(x.device)


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


def _rescale(attention: torch.nn.Module, pooled: Tensor) -> Callable[..., Tensor]:
    return lambda inner, x: x + attention(inner, pooled)


class _Sweep:
    """Applies one layer to whole-image maps tile by tile."""

    def __init__(self, side: int, device: torch.device, store: torch.device) -> None:
        self.side, self.device, self.store = side, device, store

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
