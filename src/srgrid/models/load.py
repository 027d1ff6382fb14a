"""From a name, a path or a hub id to a network that is ready to run."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.locate import HEADER, locate
from srgrid.models import container, hub
from srgrid.models.architectures import ARCHITECTURES, config_of, from_tensors
from srgrid.models.network import Network
from srgrid.models.record import WeightsRecord

_SAVED_AS = "rcan"  # the architecture of a folder whose weights have no header, as other programs save them


def load(given: str | Path, scale: int | None = None, rgb_range: float | None = None) -> Network:
    """A network ready for inference, in fp32 on the CPU. Its `sha256` and `file` say which file it came from.

    given: a name (`names()`), a weights file of ours, another project's checkpoint, a local folder or a hub id (see
    `srgrid.locate.locate`). What a file is, its content decides. scale: None takes what a file holds, and of a
    name or hub id 4.
    rgb_range: the range of inputs (1 or 255) that another project's network was trained on, where it is not told by the
    checkpoint. Our own files say theirs.
    Raises SrgridError if there is no such model, it was built for another scale, or its weights are not finite.
    """
    place = locate(given, scale)
    files: tuple[Path, Path | None]
    if place.kind == "hub":
        files = hub.download(place.given, scale or 4)
    else:
        files = (place.files[0], place.files[1] if len(place.files) > 1 else None)
    return _load(*files, scale, rgb_range)


def describe(given: str | Path, scale: int | None = None, rgb_range: float | None = None) -> dict[str, Any]:
    """What a network is: all that `Network` knows but the module itself, as JSON values.

    Takes what `load` takes; the scale is needed for names and hub ids alone. Raises SrgridError as `load` does.
    """
    network = load(given, scale, rgb_range)
    return {
        "architecture": network.architecture,
        "name": network.name,
        "config": asdict(network.config),
        "parameters": network.parameter_count,
        "provenance": dict(network.provenance),
        "sha256": network.sha256,
        "precisions": list(network.precisions),
        "about": network.about,
        "licence": network.licence,
        "citations": list(network.citations),
    }


def _load(file: Path, config_file: Path | None, scale: int | None, rgb_range: float | None) -> Network:
    content = container.read(file)
    if HEADER in content.metadata:
        network = _own(content, config_file)
    elif config_file is not None:
        config = _saved_config(config_file)
        network = _signed(from_tensors(_SAVED_AS, config, content.tensors, str(file)), content)
    else:
        return _foreign(content, scale, rgb_range)
    if scale is not None and network.scale != scale:
        raise SrgridError(f"{file}: built for scale {network.scale}, not {scale}; give the file made for scale {scale}")
    if rgb_range not in (None, network.rgb_range):
        raise SrgridError(f"{file}: says itself that its inputs are in 0..{network.rgb_range:g}; leave rgb_range out")
    return network


def _own(content: container.Content, config_file: Path | None) -> Network:
    source = str(content.path)
    record = WeightsRecord.of_header(content.metadata[HEADER], content.path)
    config = config_of(record.architecture, record.config, source)
    if config_file is not None and config != _saved_config(config_file, record.architecture):
        raise SrgridError(f"{source}: the weights, by their header, do not fit the config.json beside them")
    network = from_tensors(record.architecture, config, content.tensors, source)
    return replace(_signed(network, content), name=record.name, provenance=record.provenance)


def _foreign(content: container.Content, scale: int | None, rgb_range: float | None) -> Network:
    for name, kind in ARCHITECTURES.items():
        if kind.infer is None or not kind.recognises(content):
            continue
        found = kind.infer(content, rgb_range)
        if scale is not None and scale != found.config.scale:
            raise SrgridError(
                f"{content.path}: built for scale {found.config.scale}, not {scale}; give the checkpoint of that scale"
            )
        network = from_tensors(name, found.config, found.tensors, str(content.path))
        found.tell()
        return replace(_signed(network, content), provenance=found.provenance)
    raise SrgridError(
        f"{content.path}: a {content.kind} file without srgrid's header; it does not say what model it is"
    )


def _signed(network: Network, content: container.Content) -> Network:
    return replace(network, file=content.path.name, sha256=content.sha256)


def _saved_config(file: Path, architecture: str = _SAVED_AS) -> Any:
    try:
        given = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SrgridError(f"{file}: damaged ({error}); save or fetch the model again") from None
    if not isinstance(given, dict):
        raise SrgridError(f"{file}: damaged (no JSON object); save or fetch the model again")
    return config_of(architecture, given, str(file))
