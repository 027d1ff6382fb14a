"""Batches: which patches a step sees is a pure function of (seed, step), so there is no sampler state to lose.

A plan is drawn on the CPU with a counter-based generator; a source cuts the planned patches out of the pack, from the
memory map, or on the GPU from a copy of the whole pack in its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from srgrid.data.pack import Pack
from srgrid.errors import SrgridError
from srgrid.models.devices import free_memory
from srgrid.train.recipes import TrainConfig

Ints = npt.NDArray[np.int64]
Source = Callable[[int, int], tuple[Tensor, Tensor]]
"""step, P -> (LR, HR): N x 3 x P x P and N x 3 x sP x sP, float32 in 0..1, channels last, on the device."""

_ORDER_STREAM = 1 << 63  # keeps the generators of epochs apart from those of steps


def split(pack: Pack, held_out: int) -> tuple[list[int], list[int]]:
    """Indices of training and validation images; the latter evenly spaced over the pack."""
    if held_out and len(pack) < 2 * held_out:
        raise SrgridError(f"{pack.path}: {len(pack)} images are too few to hold {held_out} out; lower held_out")
    chosen = {(2 * i + 1) * len(pack) // (2 * held_out) for i in range(held_out)}
    return [i for i in range(len(pack)) if i not in chosen], sorted(chosen)


@dataclass(frozen=True)
class Plan:
    """One batch: for each patch its image, LR top and left, and which of the 8 flips and turns."""

    image: Ints
    top: Ints
    left: Ints
    turn: Ints


class Planner:
    """Draws the plan of any step."""

    def __init__(self, pack: Pack, training: list[int], config: TrainConfig) -> None:
        self.pack, self.config = pack, config
        self.training = np.array(training, np.int64)
        self.height = np.array([pack.entries[i].height for i in training], np.int64)
        self.width = np.array([pack.entries[i].width for i in training], np.int64)
        self._ends = {patch: self._positions(pack, patch) for patch in config.patches}
        self._order: tuple[int, Ints] = (-1, np.empty(0, np.int64))

    def _positions(self, pack: Pack, patch: int) -> Ints:
        """How many places there are for a patch, up to the end of each image. Raises SrgridError for a small image."""
        short = np.flatnonzero(np.minimum(self.height, self.width) < patch)
        if len(short):
            entry = pack.entries[self.training[short[0]]]
            raise SrgridError(
                f"{pack.path}: image {entry.name} has {entry.width} x {entry.height} LR pixels, "
                f"fewer than the patch of {patch}; lower the patch or leave the image out"
            )
        return np.cumsum((self.height - patch + 1) * (self.width - patch + 1))

    @property
    def epoch_items(self) -> int:
        """Crops in an epoch of five-crop sampling."""
        return 5 * len(self.training)

    def plan(self, step: int, patch: int) -> Plan:
        """The batch of a step, in patches of that side."""
        rng = _generator(self.config.seed, step)
        draw = self._by_area if self.config.sampling == "area" else self._by_crop
        where, top, left = draw(rng, step, patch)
        turn = rng.integers(0, 8, self.config.batch) if self.config.augment else np.zeros(self.config.batch, np.int64)
        return Plan(self.training[where], top, left, turn)

    def _by_area(self, rng: np.random.Generator, step: int, patch: int) -> tuple[Ints, Ints, Ints]:
        batch, candidates = self.config.batch, self.config.candidates
        position = rng.integers(0, self._ends[patch][-1], batch * candidates)
        where = np.searchsorted(self._ends[patch], position, side="right")
        offset = position - np.where(where > 0, self._ends[patch][where - 1], 0)
        columns = self.width[where] - patch + 1
        top, left = offset // columns, offset % columns
        if candidates == 1:
            return where, top, left
        found = [self._detail(*place, patch) for place in zip(self.training[where], top, left, strict=True)]
        best = np.arange(batch) * candidates + np.reshape(found, (batch, candidates)).argmax(axis=1)
        return where[best], top[best], left[best]

    def _detail(self, image: int, top: int, left: int, patch: int) -> float:
        """How much neighbours in an LR patch differ, in green, summed."""
        green = self.pack.lr(image)[top : top + patch, left : left + patch, 1].astype(np.int64)
        return float(sum(np.abs(np.diff(green, axis=axis)).sum() for axis in (0, 1)))

    def _by_crop(self, rng: np.random.Generator, step: int, patch: int) -> tuple[Ints, Ints, Ints]:
        """Four corner crops and a central one of half the image's size, as super-image's augment_five_crop makes.

        Each crop is seen once an epoch. A crop smaller than the patch is widened to it.
        """
        items = np.arange(step * self.config.batch, (step + 1) * self.config.batch)
        chosen = np.array([self._in_order(*divmod(int(i), self.epoch_items)) for i in items], np.int64)
        where, crop = chosen // 5, chosen % 5
        starts = []
        for size, far in ((self.height[where], crop // 2), (self.width[where], crop % 2)):
            half = np.maximum(size // 2, patch)
            begin = np.where(crop == 4, (size - half) // 2, far * (size - half))
            starts.append(begin + rng.integers(0, half - patch + 1))
        return where, starts[0], starts[1]

    def _in_order(self, epoch: int, item: int) -> int:
        if self._order[0] != epoch:
            order = _generator(self.config.seed, _ORDER_STREAM + epoch).permutation(self.epoch_items)
            self._order = (epoch, order)
        return int(self._order[1][item])


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed, stream], np.uint64)))


def source(pack: Pack, planner: Planner, device: torch.device, share: slice = slice(None), needed: int = 0) -> Source:
    """The fastest source the device allows. share: this process's part of every batch. needed: bytes of the device's
    memory that a step takes."""
    if device.type == "cpu":
        return Mapped(pack, planner, share)
    if pack.nbytes < 0.9 * free_memory(device) - needed:
        return Resident(pack, planner, share, device)
    return Streamed(Mapped(pack, planner, share), device)


class Mapped:
    """Cuts patches out of the memory map on the CPU."""

    def __init__(self, pack: Pack, planner: Planner, share: slice) -> None:
        self.pack, self.planner, self.share = pack, planner, share

    def __call__(self, step: int, patch: int) -> tuple[Tensor, Tensor]:
        lr, hr = self.cut(step, patch)
        return _float(torch.from_numpy(lr)), _float(torch.from_numpy(hr))

    def cut(self, step: int, patch: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """The patches as uint8, N x P x P x 3 and N x sP x sP x 3."""
        plan, scale = self.planner.plan(step, patch), self.pack.scale
        lrs, hrs = [], []
        chosen = (a[self.share] for a in (plan.image, plan.top, plan.left, plan.turn))
        for image, top, left, turn in zip(*chosen, strict=True):
            lr = self.pack.lr(image)[top : top + patch, left : left + patch]
            hr = self.pack.hr(image)[scale * top : scale * (top + patch), scale * left : scale * (left + patch)]
            lrs.append(_turned(lr, turn))
            hrs.append(_turned(hr, turn))
        # np.stack takes over the order of turned views; channels last is wanted.
        return np.ascontiguousarray(np.stack(lrs)), np.ascontiguousarray(np.stack(hrs))


class Resident:
    """Keeps the whole pack in the device's memory as uint8 and gathers the patches there, all at once."""

    def __init__(self, pack: Pack, planner: Planner, share: slice, device: torch.device) -> None:
        self.planner, self.share, self.device, self.scale = planner, share, device, pack.scale
        self.samples = torch.empty(pack.nbytes, dtype=torch.uint8, device=device)
        end = 0
        for samples in pack.maps:
            for start in range(0, samples.nbytes, 1 << 28):
                part = np.array(samples[start : start + (1 << 28)])
                self.samples[end : end + len(part)].copy_(torch.from_numpy(part))
                end += len(part)
        self.lr_table = np.array([(e.lr_offset, e.width) for e in pack.entries], np.int64)
        self.hr_table = np.array([(e.hr_offset, e.hr_width) for e in pack.entries], np.int64)
        self.grids = {
            patch: [_turned_grids(side).to(device) for side in (patch, patch * pack.scale)]
            for patch in planner.config.patches
        }

    def __call__(self, step: int, patch: int) -> tuple[Tensor, Tensor]:
        plan = self.planner.plan(step, patch)
        rows = (plan.turn, plan.top, plan.left, *self.lr_table[plan.image].T, *self.hr_table[plan.image].T)
        numbers = torch.from_numpy(np.stack(rows)[:, self.share].copy())
        if self.device.type == "cuda":
            numbers = numbers.pin_memory()
        turn, top, left, lr_base, lr_width, hr_base, hr_width = numbers.to(self.device, non_blocking=True)
        s = self.scale
        lr_grid, hr_grid = self.grids[patch]
        lr = self._gather(lr_grid[turn], top, left, lr_base, lr_width)
        return lr, self._gather(hr_grid[turn], top * s, left * s, hr_base, hr_width)

    def _gather(self, grid: Tensor, top: Tensor, left: Tensor, base: Tensor, width: Tensor) -> Tensor:
        top, left, base, width = (v.view(-1, 1, 1) for v in (top, left, base, width))
        pixel = base + 3 * ((grid[:, 0] + top) * width + grid[:, 1] + left)
        return _float(self.samples[pixel[..., None] + torch.arange(3, device=self.device)])


class Streamed:
    """Cuts on the CPU, a step ahead in a thread, and copies from pinned memory while the GPU computes."""

    def __init__(self, mapped: Mapped, device: torch.device) -> None:
        self.mapped, self.device = mapped, device
        self.thread = ThreadPoolExecutor(1)
        self.ahead: tuple[tuple[int, int], Future[tuple[Tensor, Tensor]]] | None = None

    def __call__(self, step: int, patch: int) -> tuple[Tensor, Tensor]:
        drawn = self.ahead and self.ahead[0] == (step, patch)
        now = self.ahead[1] if self.ahead and drawn else self.thread.submit(self._pinned, step, patch)
        self.ahead = ((step + 1, patch), self.thread.submit(self._pinned, step + 1, patch))
        lr, hr = now.result()
        return _float(lr.to(self.device, non_blocking=True)), _float(hr.to(self.device, non_blocking=True))

    def _pinned(self, step: int, patch: int) -> tuple[Tensor, Tensor]:
        lr, hr = (torch.from_numpy(a) for a in self.mapped.cut(step, patch))
        return (lr.pin_memory(), hr.pin_memory()) if self.device.type == "cuda" else (lr, hr)


def _float(patches: Tensor) -> Tensor:
    """uint8 N x P x P x 3 to float N x 3 x P x P in 0..1; the memory stays as it lies, which is channels last."""
    return patches.permute(0, 3, 1, 2).float().div_(255)


def _turned(patch: npt.NDArray[np.uint8], turn: int) -> npt.NDArray[np.uint8]:
    flipped = patch[:, ::-1] if turn >= 4 else patch
    return np.rot90(flipped, turn % 4)


def _turned_grids(side: int) -> Tensor:
    """For each of the 8 flips and turns, the row and column that every pixel of the turned patch comes from."""
    rows, columns = np.mgrid[:side, :side]
    grids = [[_turned(rows, turn), _turned(columns, turn)] for turn in range(8)]
    return torch.from_numpy(np.ascontiguousarray(grids))
