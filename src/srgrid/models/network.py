"""What a run needs to know of any model: one descriptor, whatever the network is and wherever it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from srgrid.models import hub, run, weights
from srgrid.models.record import WeightsRecord
from srgrid.settings import Precision

if TYPE_CHECKING:
    from PIL import Image

ImageT = TypeVar("ImageT", bound="Image.Image | Any")


@dataclass(frozen=True)
class Tiler:
    """Runs a module in tiles that give the whole image's own pixels.

    run: of a module, N x 3 x H x W and the side of a tile in LR pixels. bytes_per_pixel: an upper estimate of the
    memory that a module needs for a LR pixel.
    """

    run: Callable[[nn.Module, Tensor, int], Tensor]
    bytes_per_pixel: Callable[[nn.Module], int]


@dataclass(frozen=True)
class Network:
    """A model: a module, N x 3 x H x W in 0..1 to N x 3 x (scale H) x (scale W), and all that is known of it.

    config: the values that shape it, a dataclass. file, sha256: the weights file and the digest of its bytes.
    provenance: how the weights came to be. precisions: those that keep its accuracy. multiple_of: of the sides of its
    input. about, licence (None: unknown), citations (keys of references.bib): what a card says of it.
    """

    module: nn.Module
    architecture: str
    scale: int
    config: Any = None
    name: str = ""
    file: str = ""
    sha256: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    precisions: tuple[str, ...] = ("fp32",)
    multiple_of: int = 1
    tiler: Tiler | None = None
    about: str = ""
    licence: str | None = None
    citations: tuple[str, ...] = ()

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next((tensor.device for tensor in self.module.state_dict().values()), torch.device("cpu"))

    @property
    def rgb_range(self) -> float:
        """The range that it computes in; images are passed in and out in 0..1 whatever it is."""
        return float(getattr(self.config, "rgb_range", 1.0))

    @property
    def parameter_count(self) -> int:
        """How many numbers it holds."""
        return sum(tensor.numel() for tensor in self.module.state_dict().values())

    @property
    def record(self) -> WeightsRecord:
        """What a weights file says of it."""
        return WeightsRecord(self.architecture, self.name, asdict(self.config), self.provenance)

    def to(self, device: torch.device | str) -> Network:
        """Move its weights; returns itself."""
        self.module.to(device)
        return self

    def upscale(
        self, image: ImageT, *, tile: int | None = None, ensemble: bool = False, precision: Precision = "auto"
    ) -> ImageT:
        """Enlarge a PIL image or a uint8 array (H x W or H x W x 3); returns the same kind, `scale` times the size.

        The options are those of `srgrid.models.run.upscale_array`.
        """
        out: ImageT = run.upscale_any(self, image, tile=tile, ensemble=ensemble, precision=precision)
        return out

    def save(self, file: str | Path, dtype: Literal["fp16", "fp32"] = "fp32") -> None:
        """Write it to a weights file, .safetensors, atomically. Raises SrgridError if a value is not finite."""
        weights.save(Path(file), self.module, self.record, dtype)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write model.safetensors, config.json and README.md, as the Hugging Face Hub keeps a model."""
        hub.save(Path(folder), self.module, self.record)

    def push_to_hub(self, hub_id: str) -> None:
        """Save it as a repository of the Hugging Face Hub, made if it is not there."""
        hub.push(hub_id, self.module, self.record)
