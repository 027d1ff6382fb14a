"""One way to a model, whatever is given: `load`, and `describe`, which goes by it; `build` makes a fresh one."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.models.architecture import written
from srgrid.models.container import read
from srgrid.models.entry_load import load_entry
from srgrid.models.find import Located, locate
from srgrid.models.foreign import UnknownNetworkError, recognise
from srgrid.models.hub import fetch
from srgrid.models.network import Network
from srgrid.models.onnx import load_onnx
from srgrid.models.record import HEADER, WeightsRecord
from srgrid.models.script import load_script
from srgrid.models.weights import fill
from srgrid.models.zoo import load_zoo
from srgrid.networks import ARCHITECTURES, config_of
from srgrid.records import read_object

_PROGRAMS = {"onnx": load_onnx, "script": load_script}  # files that hold a network whole


def build(name: str, scale: int, activation: str | None = None) -> Network:
    """A network of that name with fresh weights, drawn from torch's global generator.

    activation: "relu" or "silu", another than its own. Raises SrgridError for an unknown name, or a scale that there is
    no such network for.
    """
    architecture, config = config_of(name, scale)
    if activation not in (None, getattr(config, "activation", "relu")):
        if not hasattr(config, "activation"):
            raise SrgridError(f"training option activation: a {name} has none to choose; leave it out")
        config = replace(config, activation=activation)
    return Network.of(ARCHITECTURES[architecture].build(config), WeightsRecord(architecture, config, name))


def load(source: str | Path | Located, scale: int | None = 4, rgb_range: float | None = None) -> Network:
    """A network ready for inference, in fp32 on the CPU. Its `sha256` and `file` say which file it came from.

    source: what `srgrid.models.locate` takes, or has found. What a file is, its content decides.
    scale: what the network has to be made for; None takes any (and 4 of a name or an entry).
    rgb_range: the range of inputs (1 or 255) that another project's network was trained on, where it is not told by the
    checkpoint. Our own files say theirs.
    Raises SrgridError if there is no such model, it was built for another scale, or its weights are not finite.
    """
    place = source if isinstance(source, Located) else locate(source, scale)
    if place.entry:
        return load_entry(place.entry, scale or 4, rgb_range)
    if place.kind == "hub":
        file, config = fetch(place.source, scale or 4)
        place = replace(place, file=file, config=config)
    assert place.file is not None
    content = read(place.file)
    where, values, said = str(content.path), content.tensors, ""
    if content.kind in _PROGRAMS:
        network = _PROGRAMS[content.kind](content, rgb_range)
        _require_scale(network.scale, scale, where)
        return network
    if HEADER in content.metadata:
        record = _licensed(WeightsRecord.of_header(content.metadata[HEADER], content.path), content.path)
        _require_range(record, rgb_range, where)
    else:
        try:
            record, inferred = recognise(content, rgb_range)
        except UnknownNetworkError as unknown:
            network = load_zoo(content, unknown, rgb_range)
            _require_scale(network.scale, scale, where)
            return network
        values, said = dict(inferred.tensors), inferred.said
    _require_scale(record.config.scale, scale, where)
    if place.config:
        _require_config(record, place.config, where)
    module = fill(record, values, where)
    if said:
        print(f"srgrid: {where}: {said}", file=sys.stderr, flush=True)
    return Network.of(module, record, content.path.name, content.sha256)


def describe(source: str | Path | Located, scale: int | None = None, rgb_range: float | None = None) -> dict[str, Any]:
    """What a model is, as plain values: all that a record or the card says of it. Takes what `load` takes.

    `licence` is None where it is unknown; `citations` are keys of references.bib. Raises SrgridError as `load` does.
    """
    network = load(source, scale, rgb_range)
    return {
        "architecture": network.architecture,
        "name": network.name,
        "config": written(network.config),
        "parameters": network.parameters,
        "provenance": network.provenance,
        "file": network.file,
        "sha256": network.sha256,
        "precisions": list(network.precisions),
        "about": network.about,
        "licence": network.licence,
        "citations": list(network.citations),
    }


def _licensed(record: WeightsRecord, weights: Path) -> WeightsRecord:
    """With the licence that stands beside the weights, where they say none themselves."""
    return record if record.licence else replace(record, licence=record.with_measured(weights).licence)


def _require_scale(own: int, wanted: int | None, where: str) -> None:
    if wanted not in (None, own):
        raise SrgridError(f"{where}: built for scale {own}, not {wanted}; give the file made for scale {wanted}")


def _require_range(record: WeightsRecord, given: float | None, where: str) -> None:
    own = asdict(record.config).get("rgb_range", 1.0)
    if given not in (None, own):
        raise SrgridError(f"{where}: says itself that its inputs are in 0..{own:g}; leave rgb_range out")


def _require_config(record: WeightsRecord, path: Path, where: str) -> None:
    """Raise SrgridError if the config.json beside weights says something else of the network than they do."""
    said = read_object(path, "save or fetch the model again")
    own = asdict(record.config)
    if other := [key for key in own if said.get(key, own[key]) != own[key]]:
        raise SrgridError(f"{where}: the weights do not fit the config.json beside them: {', '.join(other)} differ")
