"""A model of any kind: what a run needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from srgrid.models.architecture import Computed, Tiler
from srgrid.models.hub import push, save_folder
from srgrid.models.record import WeightsRecord
from srgrid.models.run import device_of, upscale_any
from srgrid.models.weights import save
from srgrid.networks import ARCHITECTURES
from srgrid.settings import Precision

if TYPE_CHECKING:
    from PIL import Image

ImageT = TypeVar("ImageT", bound="Image.Image | Any")


@dataclass(frozen=True, eq=False)
class Network:
    """A module and all that is known of it. `srgrid.models.load` and `build` make one."""

    module: nn.Module  # N x 3 x H x W in 0..1 to N x 3 x (scale H) x (scale W), not clamped
    architecture: str  # a key of srgrid.networks.ARCHITECTURES
    name: str  # it was built under, if any
    scale: int
    config: Any  # what shapes the module, of the architecture's own class
    file: str = ""  # name of the file whose weights it holds, if any
    sha256: str | None = None  # of that file's bytes, as they were read
    provenance: dict[str, Any] = field(default_factory=dict)  # how the weights came to be
    precisions: tuple[Computed, ...] = ("fp32", "bf16")  # it may compute in
    multiple_of: int = 1  # images are padded until height and width are multiples of it
    fixed: tuple[int, int] | None = None  # the only height and width that it takes
    tiler: Tiler | None = None
    about: str = ""  # for the card
    licence: str | None = None  # None: unknown
    citations: tuple[str, ...] = ()  # keys of references.bib

    @classmethod
    def of(cls, module: nn.Module, record: WeightsRecord, file: str = "", sha256: str | None = None) -> Network:
        """A module of a known architecture, and what its record says."""
        kind, config = ARCHITECTURES[record.architecture], record.config
        return cls(
            module,
            record.architecture,
            record.name,
            config.scale,
            config,
            file,
            sha256,
            record.provenance,
            precisions=kind.precisions(module),
            multiple_of=kind.multiple_of(config),
            tiler=kind.tiler() if kind.tiler else None,
            about=kind.about(config),
            licence=record.licence,
            citations=kind.citations(config),
        )

    @property
    def record(self) -> WeightsRecord:
        """What a weights file of it says in its header."""
        return WeightsRecord(self.architecture, self.config, self.name, self.provenance, self.licence)

    @property
    def parameters(self) -> int:
        """How many numbers its `nn.Parameter`s hold, frozen or not; buffers are none."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return device_of(self.module)

    def to(self, device: str | torch.device) -> Network:
        """Move the module to a device; returns the same network."""
        self.module.to(device)
        return self

    def upscale(
        self, image: ImageT, *, tile: int | None = None, ensemble: bool = False, precision: Precision = "auto"
    ) -> ImageT:
        """Enlarge a PIL image or a uint8 array (H x W or H x W x 3); returns the same kind, `scale` times the size.

        A PIL image keeps its colour profile and its alpha channel, which is enlarged apart, by bicubic.
        The options are those of `srgrid.models.run.upscale_array`.
        """
        out: ImageT = upscale_any(self, image, tile=tile, ensemble=ensemble, precision=precision)
        return out

    def save(self, path: str | Path, dtype: str = "fp32") -> None:
        """Write a weights file, atomically. dtype: fp32, or fp16 for half the size."""
        save(Path(path), self.module, self.record, dtype)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a folder that `srgrid.models.load` and the hub take."""
        save_folder(Path(folder), self.module, self.record)

    def push_to_hub(self, hub_id: str, *, private: bool | None = None, token: str | None = None) -> str:
        """Upload to a repository of the Hugging Face hub, such as "me/my-model"; returns the commit's address."""
        return push(hub_id, self.module, self.record, private=private, token=token)
