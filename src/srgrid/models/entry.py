"""Python entries: a network of one's own, by the function that makes it, without changing this program.

    package.module:factory            path/to/file.py:factory            either, then @path/to/weights.pth

The factory is called with the scale, and with the path of the weights where the text names them (after @, not put
together with anything else: it opens them itself). It returns one of

- an `nn.Module`: N x 3 x H x W to N x 3 x (scale H) x (scale W), in its range of values;
- a `srgrid.models.Network`;
- any other callable: a uint8 image, H x W x 3, to one of (scale H) x (scale W) x 3.

What it declares, it declares as attributes of the factory: `Declared` lists them. This file finds entries and imports
no torch; `srgrid.models.entry_load` runs them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from srgrid.errors import SrgridError
from srgrid.references import reference

_NAME = r"[A-Za-z_]\w*"
_ENTRY = re.compile(rf"(?P<origin>[^:@]*\.py|{_NAME}(?:\.{_NAME})*):(?P<factory>{_NAME})(?:@(?P<weights>.+))?")


@dataclass(frozen=True)
class Entry:
    """The parts of a text that names an entry."""

    origin: str  # a module, or the path of a file
    factory: str
    weights: str | None = None

    @classmethod
    def of(cls, text: str) -> Entry | None:
        """The parts of a text; None if it names no entry."""
        found = _ENTRY.fullmatch(text)
        return cls(**found.groupdict()) if found else None

    def __str__(self) -> str:
        return f"{self.origin}:{self.factory}" + (f"@{self.weights}" if self.weights else "")

    @property
    def is_file(self) -> bool:
        """Whether it names a file, not a module."""
        return self.origin.endswith(".py")

    @property
    def name(self) -> str:
        """What a record calls it: without folders and weights."""
        return f"{Path(self.origin).name}:{self.factory}"

    def under(self, folder: Path) -> Entry:
        """The same, with paths that do not exist here taken as ones under a folder."""
        origin = _under(folder, self.origin) if self.is_file else self.origin
        return Entry(origin, self.factory, _under(folder, self.weights) if self.weights else None)

    def source(self) -> Path:
        """The file of its code; nothing is imported. Raises SrgridError if there is none."""
        if not self.is_file:
            return _module_file(self.origin)
        if not Path(self.origin).is_file():
            raise SrgridError(f"{self.origin}: there is no such Python file")
        return Path(self.origin)

    def files(self) -> tuple[Path, ...]:
        """Its code and its weights. Raises SrgridError if one is missing."""
        if not self.weights:
            return (self.source(),)
        if not Path(self.weights).exists():
            raise SrgridError(f"{self.weights}: there is no such weights file")
        return self.source(), Path(self.weights)


@dataclass(frozen=True)
class Declared:
    """What attributes of a factory may say of its network."""

    rgb_range: float | None = None  # of an nn.Module's values: 1 (taken if nothing is said) or 255
    multiple_of: int = 1  # images are padded until height and width are multiples of it, and the answer is cut back
    licence: str | None = None
    about: str = ""  # for the card
    citations: tuple[str, ...] = ()  # keys of references.bib

    @classmethod
    def by(cls, factory: Any, where: str) -> Declared:
        """What a factory declares. Raises SrgridError for a value that means nothing."""
        said = {name: getattr(factory, name) for name in cls.__dataclass_fields__ if hasattr(factory, name)}
        _require(said.get("rgb_range") in (None, 1, 255), where, "rgb_range", "1 or 255")
        multiple = said.get("multiple_of", 1)
        _require(type(multiple) is int and multiple >= 1, where, "multiple_of", "a whole number, 1 or more")
        _require(isinstance(said.get("licence"), str | None), where, "licence", "a text")
        _require(isinstance(said.get("about", ""), str), where, "about", "a text")
        keys = said.get("citations", ())
        _require(isinstance(keys, Sequence) and not isinstance(keys, str), where, "citations", "a tuple of keys")
        return cls(**{**said, "citations": tuple(reference(key).key for key in keys)})


def _require(fits: bool, where: str, name: str, what: str) -> None:
    if not fits:
        raise SrgridError(f"{where}: its attribute {name} is not {what}; write it so, or leave it out")


def _under(folder: Path, path: str) -> str:
    return path if Path(path).exists() or not (folder / path).exists() else str(folder / path)


def _module_file(module: str) -> Path:
    """Where a module's code is; its packages are not imported either."""
    path: Sequence[str] | None = None
    name, found = "", None
    for part in module.split("."):
        name = f"{name}.{part}".lstrip(".")
        found = PathFinder.find_spec(name, path)
        if found is None:
            break
        path = found.submodule_search_locations
        if path is None and name != module:
            found = None
            break
    if found is None or not found.origin or not found.origin.endswith(".py"):
        raise SrgridError(f"{module}: there is no such Python module here; install it, or give the path of a .py file")
    return Path(found.origin)
