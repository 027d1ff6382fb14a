"""What a kind of network is to the rest of the program: the shape of a row of `srgrid.networks.ARCHITECTURES`.

Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor, nn

Computed = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Tiler:
    """Runs a module on an image tile by tile, with the whole image's own answer.

    run: module, N x 3 x H x W, and the side of the tiles in LR pixels; gives N x 3 x (scale H) x (scale W).
    bytes_per_pixel: of a config, an upper estimate of the memory that one LR pixel needs.
    """

    run: Callable[[Any, Tensor, int], Tensor]
    bytes_per_pixel: Callable[[Any], int]


@dataclass(frozen=True)
class Inferred:
    """What the tensors of another project turned out to be."""

    config: Any
    tensors: Mapping[str, Tensor]  # under the module's own names
    provenance: dict[str, Any]  # what was assumed, and from what
    said: str  # the same, to the user


@dataclass(frozen=True)
class Architecture:
    """One kind of network.

    config: a frozen dataclass with a field `scale`; its values are plain, and it raises SrgridError for wrong ones.
    build: the module of a config, N x 3 x H x W in 0..1 to N x 3 x (scale H) x (scale W), not clamped; with fresh
    weights, drawn from torch's global generator.
    title: what it is called in messages, with its article. about, citations: of a config, what the card says of the
    network, and the keys of references.bib.
    sizes: the named configs that can be trained.
    multiple_of: of a config, what height and width of LR must be multiples of; images are padded to it.
    precisions: of a module, what it may compute in.
    least: of a config, how many tensors and numbers the network has at least: what is checked before it is built.
    scaled: how the names of tensors begin that belong to one scale; a warm start at another leaves them out.
    exact: how the names of tensors begin that are stored in fp32 whatever the file's precision: constants.
    mark, infer: of another project's tensors, a name that all of this kind have, and what they are (None if they are
    something else); the arguments are the tensors, the file for messages, and the range of inputs if it was given.
    """

    config: type
    build: Callable[[Any], nn.Module]
    title: str
    about: Callable[[Any], str]
    citations: Callable[[Any], tuple[str, ...]] = lambda config: ()
    sizes: Mapping[str, Any] = field(default_factory=dict)
    multiple_of: Callable[[Any], int] = lambda config: 1
    precisions: Callable[[Any], tuple[Computed, ...]] = lambda module: ("fp32", "bf16")
    tiler: Callable[[], Tiler] | None = None
    least: Callable[[Any], tuple[int, int]] = lambda config: (0, 0)
    scaled: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    mark: str = ""
    infer: Callable[[Mapping[str, Tensor], str, float | None], Inferred | None] | None = None


def written(config: Any) -> dict[str, Any]:
    """A config's values as records hold them: a field that came later (metadata `later`) only where it is not at its
    default, which is what the network was before."""
    later = {one.name: one.default for one in fields(config) if one.metadata.get("later")}
    return {key: value for key, value in asdict(config).items() if key not in later or value != later[key]}


def shown(value: object) -> str:
    """A value as a message can hold it."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
