"""config.yaml, each key told once: type, default, range, meaning (see `srgrid.settings`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Annotated, Any, Literal

from srgrid.settings import Costs, Device, Precision, Rule, setting

_TEXTS = ("base", "about", "degradation")
Name = Annotated[str, Rule(pattern="^[A-Za-z0-9][A-Za-z0-9.+_-]*$")]
Names = Annotated[list[Name], Rule(minItems=1, uniqueItems=True)]
MetricName = Annotated[str, Rule(pattern="^[A-Za-z_][A-Za-z0-9_.-]*(:[A-Za-z_][A-Za-z0-9_]*)?$")]
Scale = Annotated[int, Rule(minimum=2, maximum=8)]
Box = Annotated[list[Annotated[int, Rule(minimum=0)]], Rule(minItems=4, maxItems=4)]
# Texts stay texts, whatever they look like; other fields become what they spell.
ProtocolFields = Annotated[dict[str, Any], Rule(properties={key: {"type": "string"} for key in _TEXTS})]
Steps = Annotated[list[dict[str, Any]], Rule(minItems=1)]

# Keys that stood elsewhere in earlier versions.
MOVED = {
    "train.device": "compute.device",
    "train.threads": "compute.threads",
    "upscale.precision": "compute.precision",
}


@dataclass(frozen=True)
class Train:
    """What is trained, and how."""

    images: Names = setting(["DIV2K"], "Data sets that are packed into the training set.")
    degradation: str = setting("matlab", "What makes the training set's LR images (see docs/protocols.md).")
    recipe: str = setting("full", "A named recipe (see docs/training.md) ...")
    settings: dict[str, Any] = setting(
        {}, "... and what this run changes of it, for example {steps: 200000, batch: 32}: see docs/settings.md."
    )
    init: dict[str, Annotated[int, Rule(minimum=2)]] = setting(
        {3: 2, 4: 2},
        "Warm starts: the trunk of scale 3 and 4 comes from the trained x2 model. {} trains each scale from nothing.",
    )
    seed: int = setting(0, "Fixes initial weights, crops and augmentation.", minimum=0)
    state: str = setting(
        "",
        "A folder that outlives a job, for checkpoints and logs, where jobs share no file system (see "
        "docs/cluster.md). Empty: results/<run>/state.",
    )


@dataclass(frozen=True)
class Compute:
    """With what one job computes, be it a training or an upscaling."""

    device: Device = setting(
        "auto",
        "auto: a GPU if there is one; cpu, cuda, cuda:N insist.",
    )
    threads: int = setting(2, "CPU threads of one training or one upscaling.", minimum=1)
    precision: Precision = setting(
        "fp32",
        "Of upscaling: fp32, bf16, or auto: bf16 where the hardware computes in it. A training's is its recipe's; "
        "train.settings can change it.",
    )


@dataclass(frozen=True)
class Software:
    """Where jobs find srgrid, if not in the environment that Snakemake runs in (see docs/cluster.md)."""

    container: str = setting("", "An image, for --sdm apptainer, for example docker://registry.example.org/srgrid:1.")
    modules: list[str] = setting([], "Environment modules to load, in order, for --sdm env-modules.")


@dataclass(frozen=True)
class Upscale:
    """How networks enlarge."""

    ensemble: bool = setting(False, "x8 self-ensemble: about +0.1 dB for eight times the work.")
    rgb_range: dict[str, Literal[1, 255]] = setting(
        {},
        "The range, 1 or 255, that another project's network computes in, by method, where its weights file does not "
        "tell: {my-rcan: 255}",
    )
    tile: dict[str, Annotated[int, Rule(minimum=32)]] = setting(
        {},
        "Side of tiles in LR pixels, by method, for an image that does not fit into memory whole or a network of one "
        "size. Tiles of another project's network change its answer, and the card says so: {my-swinir: 256}",
    )


@dataclass(frozen=True)
class Figures:
    """What the figures and the card's compare view show."""

    crop: int = setting(
        64,
        "Side of the enlarged crop, in HR pixels, where the crop is chosen automatically: where the methods differ "
        "most.",
        minimum=16,
    )
    whole: bool = setting(
        True,
        "Show whole images in figures and on the page, not crops alone. Turn it off for images you may not pass on.",
    )
    show: dict[str, Annotated[dict[str, Box | None], Rule(minProperties=1)]] = setting(
        {},
        "Images shown in a data set's figures, and first in the card's compare view, instead of those of largest gain, "
        "median and largest loss, each with its crop [x, y, width, height] in HR pixels, or null for an automatic one, "
        "for example\n"
        "  {Set5: {butterfly: [90, 60, 64, 64], bird: null}}",
    )
    images: int = setting(3, "Images per cell that the card's compare view holds.", minimum=1)


@dataclass(frozen=True)
class Card:
    """What the card says beyond the run's records."""

    title: str = setting("", "Empty: the run's name.")
    authors: list[str] = setting([], "Names, in order.")
    licence: str = setting(
        "",
        "Of the weights that this card is published with, as the Hugging Face Hub writes it, for example mit. Empty: "
        "what the weights' records say, if all say the same.",
    )
    description: str = setting("", "What this model or comparison is, in your own words.")
    citation: str = setting("", "BibTeX entries of your own work.")
    notes: list[str] = setting([], "What readers of these numbers must know, one sentence or more each.")
    names: dict[str, str] = setting({}, "What methods are called in the table for papers, grid.tex: {rcan-s: RCAN-S}.")
    beside: list[str] = setting(
        [],
        "Networks whose printed values are columns of grid.tex under the protocol `literature`, by their names in "
        "docs/literature.md: [imdn, edsr].",
    )


@dataclass(frozen=True)
class Config:
    """config.yaml: what a run of the workflow is told."""

    run: str = setting(
        "benchmark",
        "Results go to results/<run>; images and LR images in resources/ are shared between runs.",
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    mirror: str = setting(
        "",
        "A folder laid out NAME/HR/* with images you already have, used instead of downloads. Empty: the environment "
        "variable SRGRID_MIRROR, and without that the public hosts.",
    )
    datasets: Names = setting(
        ["Set5", "Set14", "BSD100", "Urban100", "Urban100-half"],
        "The rows of the grid: test sets (see `srgrid data list`) ...",
    )
    scales: Annotated[list[Scale], Rule(minItems=1, uniqueItems=True)] = setting([2, 3, 4], "... and scales.")
    methods: Names = setting(
        ["bicubic", "rcan-bam"],
        "The columns of the grid: bicubic, models, and other interpolators (nearest, bilinear, lanczos, "
        "bicubic-matlab, bicubic-pillow, bicubic-opencv, bicubic-torch). A model is trained here unless `weights` "
        "names files, or `sr` folders, for it.",
    )
    protocols: Names = setting(
        ["rgb8", "luma8", "super-image"],
        "How SR is compared with HR (see docs/protocols.md). The first is the one figures and the card's headline use.",
    )
    metrics: Annotated[list[MetricName], Rule(minItems=1, uniqueItems=True)] = setting(
        ["psnr", "ssim"],
        "What SR and HR are compared by (see docs/protocols.md): psnr, ssim, or `module:NAME` of a metric of your own. "
        "The first is the headline: its gain over bicubic is shown, and by it the images that are shown are chosen.",
    )
    define_protocols: dict[Name, ProtocolFields] = setting(
        {},
        "Your own protocols, by name; use them above. A protocol changes fields of a base, for example\n"
        "  no-shave: {base: rgb8, shave: 0}",
    )
    define_degradations: dict[Name, Steps | dict[str, Any]] = setting(
        {},
        "Your own degradations, by name, for protocols and for train.degradation (see docs/protocols.md), for example\n"
        "  half: [{modcrop: scale}, {imresize: 1/scale}]",
    )
    define_datasets: dict[Name, dict[str, Any]] = setting({}, "Your own data sets, by name (see docs/data.md).")
    weights: dict[Name, Annotated[str, Rule(minLength=1)]] = setting(
        {},
        "Weights that are used instead of training, by method; {scale} is put in. A Python function that makes a "
        "network is named likewise, with its weights after @ (see docs/networks.md). For example\n"
        '  rlfn: "examples/rlfn.py:rlfn@weights/rlfn_x{scale}.pth"\n'
        "  rcan-bam-s: models/rcan-bam-s_x{scale}.safetensors",
    )
    sr: dict[Name, Annotated[str, Rule(minLength=1)]] = setting(
        {},
        "Finished SR images of another program, by method; {dataset} and {scale} are put in. One prefix and one suffix "
        "around the HR images' names are found. For example\n"
        "  my-method: sr/{dataset}/x{scale}",
    )
    train: Train = setting(Train(), "The training of the models that no weights are given for.")
    compute: Compute = setting(Compute(), "With what one job computes.")
    software: Software = setting(Software(), "Where jobs find srgrid.")
    upscale: Upscale = setting(Upscale(), "How networks enlarge.")
    costs: Costs = setting(Costs(), "What the methods cost (see docs/costs.md).")
    figures: Figures = setting(Figures(), "What the figures and the card's compare view show.")
    audit: bool = setting(
        True,
        "Compare the grid with the published one and measure every protocol choice (scores bicubic under eight more "
        "protocols).",
    )
    card: Card = setting(Card(), "What the card says beyond the run's records.")
    templates: str = setting(
        "",
        "A folder of Jinja2 templates that replace those of src/srgrid/report/templates, file by file. Empty: none.",
    )


def completed(said: Mapping[str, Any]) -> dict[str, Any]:
    """A config of this or an earlier version: what it does not say is the default, what has moved is in its place."""
    config = defaults()
    for key, value in said.items():
        both = isinstance(config.get(key), dict) and isinstance(value, Mapping)
        config[key] = config[key] | value if both else value
    for old, new in MOVED.items():
        (part, name), (place, now) = old.split("."), new.split(".")
        if name in config[part]:
            config[place][now] = config[part].pop(name)
    return config


def defaults() -> dict[str, Any]:
    """The configuration of a run that is told nothing."""
    return asdict(Config())


def filled(given: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the defaults of the keys that it leaves out; what it has, right or wrong, stays."""
    return _filled(given, Config())


def _filled(given: Mapping[str, Any], record: Any) -> dict[str, Any]:
    made = {**asdict(record), **given}
    for name, value in given.items():
        default = getattr(record, str(name), None)
        if is_dataclass(default) and isinstance(value, Mapping):
            made[name] = _filled(value, default)
    return made
