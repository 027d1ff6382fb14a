"""Everything about a run that can be known before it starts: checked in one go, so that nothing fails late."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from srgrid import given
from srgrid.data import registry
from srgrid.data.registry import Dataset
from srgrid.degrade import DEGRADATIONS, Degradation, degradations, get_degradation, try_out
from srgrid.errors import SrgridError
from srgrid.interpolate import INTERPOLATORS
from srgrid.metrics import Score, get_metrics
from srgrid.models.entry import Entry
from srgrid.models.find import locate
from srgrid.networks import SCALES
from srgrid.protocols import Protocol, get_protocol, protocols
from srgrid.settings import Kind
from srgrid.train.recipes import TrainConfig, recipe

BASELINE = "bicubic"
COMPUTED = (BASELINE, *INTERPOLATORS)  # methods that need no network

Config = Mapping[str, Any]


def require(
    config: Config, definitions: Mapping[str, Any], mirror: str | None, models: Sequence[str], basedir: Path
) -> None:
    """Raise SrgridError, with a line for each of a configuration's `faults`, which are told the same."""
    if found := faults(config, definitions, mirror, models, basedir):
        raise SrgridError("config:\n" + "\n".join(f"  {line}" for line in found))


def faults(
    config: Config, definitions: Mapping[str, Any], mirror: str | None, models: Sequence[str], basedir: Path
) -> list[str]:
    """Every fault of a configuration that fits the schema, as a line that begins with its key.

    config: as `srgrid.config.check` accepts it. definitions: protocols besides the built-in ones. mirror: the folder of
    images that is used, if any. models: names of networks that can be trained. basedir: the Snakefile's folder.
    """
    checks: tuple[Iterator[str], ...] = (
        _mirror(mirror),
        _datasets(config, mirror),
        _degradations(config),
        _protocols(config, definitions),
        _metrics(config),
        _methods(config, models),
        _given(config, mirror, basedir),
        _weights(config, basedir),
        _training(config),
        _warm_starts(config),
        _costs(config),
        _templates(config),
        _shown(config, mirror),
        _paper(config),
    )
    return list(dict.fromkeys(line for lines in checks for line in lines))


def weights_path(pattern: str, scale: int, basedir: Path) -> Path:
    """What a config's `weights` names at a scale: under the working directory, else under `basedir`.

    It is a file, a folder, or a Python entry.
    """
    if entry := Entry.of(pattern.replace("{scale}", str(scale))):
        return Path(str(entry.under(basedir)))
    given = Path(pattern.replace("{scale}", str(scale)))
    return given if given.exists() else basedir / given


def networks(config: Config) -> list[str]:
    """The methods of a run that enlarge by a network."""
    return [method for method in config["methods"] if method not in COMPUTED and method not in config["sr"]]


def trained(config: Config) -> list[str]:
    """The methods whose networks a run trains."""
    return [method for method in networks(config) if method not in config["weights"]]


def training_settings(config: Config) -> dict[str, Any]:
    """What a run changes of its recipe."""
    return {"seed": config["train"]["seed"], "device": config["compute"]["device"], **config["train"]["settings"]}


def training(config: Config) -> TrainConfig:
    """How a run trains. Raises SrgridError for an unknown recipe, setting or value."""
    return recipe(config["train"]["recipe"], **training_settings(config))


def cells(config: Config, dataset: Callable[[str], Dataset]) -> list[tuple[str, int]]:
    """(data set, scale) of every row of the grid; a data set may be declared for some scales alone."""
    return [
        (name, scale)
        for name in config["datasets"]
        for scale in config["scales"]
        if scale in (dataset(name).scales or config["scales"])
    ]


def undeclared(config: Config, dataset: Callable[[str], Dataset]) -> list[dict[str, Any]]:
    """Rows that the product of data sets and scales has and the grid has not, with the reason."""
    held = set(cells(config, dataset))
    return [
        {
            "dataset": name,
            "scale": scale,
            "reason": f"{name} is declared for scale {', '.join(map(str, dataset(name).scales))} alone",
        }
        for name in config["datasets"]
        for scale in config["scales"]
        if (name, scale) not in held
    ]


def order(config: Config) -> dict[str, list[Any]]:
    """The order of rows in the tables: the values of each column of a cell's key."""
    columns = {"dataset": "datasets", "scale": "scales", "method": "methods", "protocol": "protocols"}
    return {column: config[key] for column, key in columns.items()}


def stored(method: str, protocol: Protocol) -> Kind:
    """How the SR images that a protocol scores are stored: a network's are floats if the protocol never rounds."""
    return "8bit" if protocol.quantise or method in COMPUTED else "float"


def remake_command(config_files: Sequence[Path], overrides: Mapping[str, Any], basedir: Path) -> str:
    """What re-makes a run, to be typed in `basedir`.

    config_files: those laid over config.yaml, in order. overrides: what `--config` changed.
    """
    words = ["snakemake", "--cores", "8"]
    if overrides:
        words += ["--config", *(f"{key}={_as_argument(value)}" for key, value in overrides.items())]
    inside = [Path(os.path.relpath(file, basedir)) for file in config_files]
    files = [
        str(file if file.parts[0] != ".." else Path(given).resolve())
        for file, given in zip(inside, config_files, strict=True)
        if file != Path("config.yaml")
    ]
    return shlex.join([*words, "--configfile", *files] if files else words)


def _as_argument(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _try(key: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Iterator[str]:
    """The message of a SrgridError that a call raises, if it does."""
    try:
        function(*arguments, **options)
    except SrgridError as error:
        yield f"{key}: {error}"


def _mirror(mirror: str | None) -> Iterator[str]:
    if mirror and not Path(mirror).is_dir():
        yield f"mirror: {mirror}: there is no such folder; give one laid out NAME/HR/*, or leave it empty"


def _datasets(config: Config, mirror: str | None) -> Iterator[str]:
    for key, names in (("datasets", config["datasets"]), ("train.images", config["train"]["images"])):
        for name in names:
            yield from _try(key, registry.resolve, name, mirror, config["define_datasets"])
    found = _resolved(config, mirror)
    if len(found) == len(config["datasets"]) and not cells(config, found.__getitem__):
        allowed = "; ".join(f"{name}: {', '.join(map(str, entry.scales))}" for name, entry in found.items())
        yield f"scales: none of {config['scales']} is declared for these data sets ({allowed})"


def _resolved(config: Config, mirror: str | None) -> dict[str, Dataset]:
    found = {}
    for name in config["datasets"]:
        try:
            found[name] = registry.resolve(name, mirror, config["define_datasets"])
        except SrgridError:  # `_datasets` says it
            continue
    return found


def _protocols(config: Config, definitions: Mapping[str, Any]) -> Iterator[str]:
    try:
        known = protocols({**definitions, **config["define_protocols"]})
    except SrgridError as error:
        yield f"define_{error}"
        return
    for name in config["protocols"]:
        yield from _try("protocols", get_protocol, name, known)
        if name in known:
            yield from _fitting(known[name], config)


def _degradations(config: Config) -> Iterator[str]:
    known, faults = _known_degradations(config)
    yield from faults
    if (name := config["train"]["degradation"]) not in config["define_degradations"] and name not in known:
        yield from _try("train.degradation", get_degradation, name, known)
    elif name in known:
        yield from _try("train.degradation", known[name].require_images)


def _known_degradations(config: Config) -> tuple[dict[str, Degradation], list[str]]:
    """The built-in ones and the user's that work: they are tried out, for a step may refuse what it is given."""
    known, faults = dict(DEGRADATIONS), []
    for name, steps in config["define_degradations"].items():
        try:
            made = degradations({name: steps})
            for scale in config["scales"]:
                try_out(made[name], scale)
            known |= made
        except SrgridError as error:
            faults.append(f"define_{error}")
    return known, faults


def _fitting(protocol: Protocol, config: Config) -> Iterator[str]:
    """What a protocol does with HR of a size that is no multiple of the scale, its degradation has to do too."""
    known, _ = _known_degradations(config)
    key, name = f"protocols: {protocol.name}", protocol.degradation
    if name not in known:
        if name not in config["define_degradations"]:
            yield from _try(key, get_degradation, name, known)
        return
    yield from _fitting_channels(protocol, known[name], config)
    if known[name].crops != (protocol.hr == "crop"):
        does, other = ("crops", "crop") if known[name].crops else ("does not crop", "resize")
        yield (
            f"{key}: hr: {protocol.hr} does not go with degradation: {name}, which {does} HR to a multiple of the "
            f"scale first; write hr: {other}, or name another degradation"
        )


def _fitting_channels(protocol: Protocol, degradation: Degradation, config: Config) -> Iterator[str]:
    """Only bicubic makes luma of LR images that are luma; finished SR images may be luma, too."""
    key, luma = f"protocols: {protocol.name}", protocol.channels == "luma"
    made = [name for name in config["methods"] if name not in config["sr"]]
    if BASELINE in made and luma != degradation.is_luma:
        yield (
            f"{key}: channels: {protocol.channels} does not go with degradation: {degradation.name}, whose bicubic is "
            f"{'luma' if degradation.is_luma else 'RGB'}"
        )
    others = [name for name in made if name != BASELINE]
    if others and (luma or degradation.is_luma):
        yield (
            f"{key}: scores luma that is made of luma; {', '.join(others)} makes RGB of RGB: leave the protocol or the "
            "methods out"
        )
    if luma and (coloured := [m.name for m in get_metrics(config["metrics"]) if m.compares == "rgb"]):
        yield f"{key}: scores luma, which {', '.join(coloured)} cannot compare; leave the protocol or the metric out"


def _metrics(config: Config) -> Iterator[str]:
    yield from _try("metrics", get_metrics, config["metrics"])
    if config["audit"] and (lacking := [name for name in Score._fields if name not in config["metrics"]]):
        yield f"audit: published values are PSNR and SSIM; add {', '.join(lacking)} to `metrics`, or set `audit: false`"


def _methods(config: Config, models: Sequence[str]) -> Iterator[str]:
    for name in trained(config):
        if name not in models:
            known = ", ".join([*COMPUTED, *models])
            yield f"methods: unknown model {name!r}; choose one of {known}, or give `weights` or `sr`"
    upscale = config["upscale"]
    tables = {"weights": config["weights"], "upscale.rgb_range": upscale["rgb_range"], "upscale.tile": upscale["tile"]}
    for key, table in tables.items():
        for name in COMPUTED:
            if name in table:
                yield f"{key}.{name}: {name} is no network and has no weights; take the key out"
    for key, what in (("rgb_range", "a range"), ("tile", "tiles")):
        for name in upscale[key]:
            if name not in config["weights"]:
                yield f"upscale.{key}.{name}: no `weights` are given for it; only given weights can need {what}"


def _given(config: Config, mirror: str | None, basedir: Path) -> Iterator[str]:
    """What is wrong with finished SR images."""
    found = _resolved(config, mirror)
    known = {name: entry.image_names for name, entry in found.items()}
    rows = cells({**config, "datasets": list(found)}, found.__getitem__)
    for method, pattern in config["sr"].items():
        if method in COMPUTED:
            yield f"sr.{method}: {method} is computed here; give the SR images another name"
        if method in config["weights"]:
            yield f"sr.{method}: has `weights` too; take one of the two out"
        if method in config["methods"]:
            yield from (f"sr.{method}: {fault}" for fault in given.faults(pattern, rows, known, basedir))


def _weights(config: Config, basedir: Path) -> Iterator[str]:
    for method, pattern in config["weights"].items():
        if fields := sorted(set(re.findall(r"\{[^{}]*\}", pattern)) - {"{scale}"}):
            yield f"weights.{method}: {', '.join(fields)} means nothing here; only {{scale}} is put in"
        elif method in config["methods"]:
            for scale in config["scales"]:
                yield from _weights_at(method, pattern, scale, basedir)


def _weights_at(method: str, pattern: str, scale: int, basedir: Path) -> Iterator[str]:
    file = weights_path(pattern, scale, basedir)
    if not file.exists() and not Entry.of(str(file)):
        yield f"weights.{method}: {pattern.replace('{scale}', str(scale))}: there is no such file or folder"
        return
    try:
        made_for = locate(file, scale).scale()
    except SrgridError as error:
        yield f"weights.{method}: {error}"
        return
    if made_for is not None and made_for != scale:
        hint = "" if "{scale}" in pattern else "; put {scale} into the path"
        yield f"weights.{method}: {file} was made for scale {made_for}, the run needs scale {scale}{hint}"


def _training(config: Config) -> Iterator[str]:
    yield from _try("train", training, config)
    if names := trained(config):
        for scale in config["scales"]:
            if scale not in SCALES:
                yield f"scales: {', '.join(names)} cannot be trained at scale {scale}; choose 2, 3 or 4"


def _warm_starts(config: Config) -> Iterator[str]:
    init = {str(key): value for key, value in config["train"]["init"].items()}
    for scale, origin in init.items():
        if not scale.isdigit() or int(scale) not in SCALES or origin not in SCALES:
            yield f"train.init.{scale}: {origin}: give scales of 2, 3 and 4, such as {{3: 2}}"
        seen = [scale]
        while seen[-1] in init and len(seen) <= len(init) + 1:
            seen.append(str(init[seen[-1]]))
        if len(seen) > len(init) + 1:
            yield f"train.init.{scale}: x{' starts from x'.join(seen[:3])}, and so on in a circle"


def _costs(config: Config) -> Iterator[str]:
    baseline = config["costs"]["baseline"]
    if baseline and baseline not in networks(config):
        known = ", ".join(networks(config)) or "none"
        yield f"costs.baseline: {baseline} is no network of this run; choose one of its networks ({known})"
    if baseline and not config["costs"]["measure"]:
        yield "costs.baseline: the score needs measured seconds; set `measure: true`, or leave the baseline empty"


def _templates(config: Config) -> Iterator[str]:
    if config["templates"] and not Path(config["templates"]).is_dir():
        yield f"templates: {config['templates']}: there is no such folder"


def _shown(config: Config, mirror: str | None) -> Iterator[str]:
    found = _resolved(config, mirror)
    for name, shown in config["figures"]["show"].items():
        if name not in config["datasets"]:
            yield f"figures.show.{name}: no data set of this run; `datasets` has {', '.join(config['datasets'])}"
        elif name in found:
            yield from _shown_of(found[name], shown)


def _shown_of(entry: Dataset, shown: Mapping[str, Any]) -> Iterator[str]:
    for image, crop in shown.items():
        key = f"figures.show.{entry.name}.{image}"
        if entry.image_names and image not in entry.image_names:
            yield f"{key}: {entry.name} has no such image; it has {', '.join(entry.image_names[:8])}"
        elif crop and min(crop[2:]) < 1:
            yield f"{key}: [x, y, width, height] has a side of 0"
        elif crop and (known := entry.known.get(image)):
            x, y, width, height = crop
            if x + width > known.width or y + height > known.height:
                yield f"{key}: {crop} lies outside the image, which has {known.width} x {known.height} pixels"


def _paper(config: Config) -> Iterator[str]:
    """Faults of what the table for papers is told."""
    for name in config["card"]["names"]:
        if name not in config["methods"]:
            yield f"card.names.{name}: no method of this run; `methods` has {', '.join(config['methods'])}"
    if beside := config["card"]["beside"]:
        from srgrid.report.literature import PROTOCOL, networks

        if PROTOCOL not in config["protocols"]:
            yield f"card.beside: printed values compare under the protocol {PROTOCOL} alone; add it to `protocols`"
        for name in beside:
            if name not in networks():
                yield f"card.beside: {name} is no network of the literature's; choose from {', '.join(networks())}"
