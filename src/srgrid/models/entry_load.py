"""Running a Python entry: its factory, and the `Network` that is made of what it returns."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from srgrid.errors import SrgridError
from srgrid.models.devices import out_of_memory
from srgrid.models.entry import Declared, Entry
from srgrid.models.guest import Guest, OfImages, reason
from srgrid.models.network import Network
from srgrid.records import content_digest, file_digest


@dataclass(frozen=True)
class EntryConfig:
    """What is known of a network that an entry makes."""

    scale: int
    entry: str
    source_sha256: str
    weights_sha256: str | None = None
    rgb_range: float = 1.0
    multiple_of: int = 1


def load_entry(entry: Entry, scale: int, rgb_range: float | None = None) -> Network:
    """The network that an entry makes at a scale, in fp32 on the CPU. Its code is run: give only code that you trust.

    rgb_range: the range of values of an nn.Module, 1 or 255, where its factory does not declare it.
    Raises SrgridError, naming the entry, if anything of it fails.
    """
    where = str(entry)
    source = entry.files()[0]
    with _searched(source.parent if entry.is_file else Path.cwd()):
        factory, digest = _factory(entry, source, where)
        declared = Declared.by(factory, where)
        if rgb_range is not None and declared.rgb_range not in (None, rgb_range):
            raise SrgridError(f"{where}: declares values in 0..{declared.rgb_range:g}; leave rgb_range out")
        made = _call(factory, (scale, *([entry.weights] if entry.weights else [])), where)
    weights = content_digest(entry.weights) if entry.weights else None
    given_range = declared.rgb_range or rgb_range or 1.0
    config = EntryConfig(scale, entry.name, digest, weights, float(given_range), declared.multiple_of)
    network = _network(made, config, where)
    return replace(
        network,
        file=Path(entry.weights).name if entry.weights else source.name,
        sha256=hashlib.sha256(f"{digest}{weights}".encode()).hexdigest() if weights else digest,
        about=declared.about or network.about,
        licence=declared.licence or network.licence,
        citations=declared.citations or network.citations,
    )


def _network(made: Any, config: EntryConfig, where: str) -> Network:
    provenance = {"source": config.entry, "trained_by": "another project"}
    if isinstance(made, Network):
        if made.scale != config.scale:
            raise SrgridError(f"{where}: returned a network for scale {made.scale}, not {config.scale}")
        own = made.config if is_dataclass(made.config) else config
        tiled = made.tiler is not None  # an exact tiler looks into the module
        module = made.module.eval() if tiled else Guest(made.module, where, made.scale)
        return replace(made, module=module, config=own, provenance=provenance | made.provenance)
    if isinstance(made, type) or not callable(made):
        what = f"the class {made.__name__}, not an instance of it" if isinstance(made, type) else type(made).__name__
        raise SrgridError(
            f"{where}: returned {what}; return an nn.Module, a srgrid.models.Network, or a function of a uint8 image"
        )
    if isinstance(made, nn.Module):
        module = Guest(made, where, config.scale, config.rgb_range)
    else:
        module, config = Guest(OfImages(made), where, config.scale), replace(config, rgb_range=1.0)
    return Network(
        module,
        architecture=config.entry,
        name="",
        scale=config.scale,
        config=config,
        provenance=provenance,
        precisions=("fp32",),
        multiple_of=config.multiple_of,
        about=f"A network of another program, made by the Python function {config.entry}.",
    )


def _factory(entry: Entry, source: Path, where: str) -> tuple[Callable[..., Any], str]:
    """The factory, and the sha256 of the source that it was made from."""
    try:
        module, digest = _run_file(source) if entry.is_file else (import_module(entry.origin), file_digest(source))
    except (Exception, SystemExit) as error:
        raise SrgridError(f"{where}: its code cannot be imported ({reason(error)}); mend it") from error
    factory = getattr(module, entry.factory, None)
    if factory is None:
        own = [n for n, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        raise SrgridError(f"{where}: {source.name} has no {entry.factory}; it has {', '.join(own)[:300] or 'nothing'}")
    if not callable(factory):
        raise SrgridError(f"{where}: is a {type(factory).__name__}, not a function that makes a network")
    return factory, digest


def _run_file(source: Path) -> tuple[ModuleType, str]:
    content = source.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    module = ModuleType(f"srgrid_entry_{digest[:16]}")
    module.__file__ = str(source)
    sys.modules[module.__name__] = module  # dataclasses look themselves up
    exec(compile(content, str(source), "exec"), vars(module))
    return module, digest


@contextlib.contextmanager
def _searched(folder: Path) -> Iterator[None]:
    """With the modules of a folder at hand, as those beside a script are."""
    path = str(folder.resolve())
    sys.path.insert(0, path)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(path)


def _call(factory: Callable[..., Any], arguments: tuple[Any, ...], where: str) -> Any:
    with contextlib.suppress(ValueError):  # it has no signature that can be read
        try:
            inspect.signature(factory).bind(*arguments)
        except TypeError as error:
            what = "the scale and the path of its weights" if len(arguments) > 1 else "the scale alone"
            raise SrgridError(f"{where}: cannot be called with {what} ({error})") from None
    try:
        return factory(*arguments)
    except SrgridError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise SrgridError(f"{where}: not enough memory to make its network; take a smaller one") from None
        raise SrgridError(f"{where}: failed for scale {arguments[0]}: {reason(error)}; mend it") from error
