"""The data sets srgrid knows: registry.yaml read, checked against its closed schema, and given types."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from srgrid import config, images
from srgrid.data.digests import Known, plain_name, read_digests
from srgrid.data.links import check_links, check_names
from srgrid.errors import SrgridError
from srgrid.files import read_yaml
from srgrid.names import check_for_tables
from srgrid.references import Reference, reference

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Source:
    """One place images come from; which fields are set depends on `kind` (see registry.yaml)."""

    kind: str  # package, archive or mirror
    package: str = ""
    folder: str = ""
    files: tuple[str, ...] = ()
    host: str = ""
    url: str = ""
    checksum: str = ""  # sha256:<hex> or md5:<hex>, of the archive
    bytes: int | None = None
    members: tuple[str, ...] = ()  # shell patterns of the wanted images; empty: all
    page: str = ""

    @property
    def label(self) -> str:
        """A short name for messages and manifests."""
        return {"package": f"package {self.package}", "archive": self.host, "mirror": "mirror"}[self.kind]


@dataclass(frozen=True)
class Dataset:
    """One data set: what it is called, where it comes from, what its images must be."""

    name: str
    images: int
    use: str  # test or train
    declared: tuple[str, ...] = ()  # image names, if the registry says them
    aliases: tuple[str, ...] = ()
    scales: tuple[int, ...] = ()  # empty: any
    licence: str = ""
    citation: Reference | None = None
    hub: str = ""  # its name on the Hugging Face Hub
    sources: tuple[Source, ...] = ()
    parent: str | None = None  # a variant: the images of this set ...
    steps: tuple[tuple[str, Fraction], ...] = ()  # ... after these steps (imresize or modcrop, argument)
    lr_of: str | None = None  # LR at scale s are the LR images of this set ...
    lr_times: int = 1  # ... at scale lr_times * s
    parts: tuple[str, ...] = ()
    digest_file: Path | None = None

    @cached_property
    def known(self) -> Mapping[str, Known]:
        """What is known of each image's pixels, by name; empty if nothing is."""
        return read_digests(self.digest_file) if self.digest_file else {}

    @property
    def image_names(self) -> tuple[str, ...]:
        """The images' names in the field's order; empty if only the files can tell."""
        return self.declared or tuple(self.known)

    @property
    def origin(self) -> str:
        """Where the images come from, in a few words."""
        if self.parent:
            return f"{self.parent}: " + ", ".join(f"{step} {argument}" for step, argument in self.steps)
        return " + ".join(self.parts) or ", ".join(source.label for source in self.sources) or "mirror"

    def image_of(self, stem: str) -> str:
        """The image that a file's name claims to hold: the field's name, or the original release's; empty if none."""
        stem = unicodedata.normalize("NFC", stem)
        if stem in self.image_names:
            return stem
        return next((known.image for known in self.known.values() if known.original == stem), "")


def load_registry(extra: Mapping[str, Any] | None = None) -> dict[str, Dataset]:
    """All data sets by name: the built-in ones and `extra` (the config's define_datasets; wins over a built-in name).

    Raises SrgridError, naming the key, where `extra` breaks the schema or points to a set that does not exist.
    """
    found = dict(_built_in())
    if extra:
        _check(extra, "define_datasets")
        found |= {str(name): _dataset(str(name), entry, Path.cwd()) for name, entry in extra.items()}
        check_links(found, "define_datasets")
    return found


def get(name: str, extra: Mapping[str, Any] | None = None) -> Dataset:
    """The data set of that name. Raises SrgridError, with the nearest name, if there is none.

    Of a user's own set (`extra`) the digest file is read: SrgridError if it is damaged, or not of the images declared.
    """
    found = load_registry(extra)
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(found)}"
        own = name if plain_name(name) else "NAME"
        raise SrgridError(
            f"unknown data set {name!r}; {hint} A set of your own needs only a folder MIRROR/{own}/HR/ with its images"
        )
    if extra and name in map(str, extra):
        check_names(found[name], found)
    return found[name]


def names(extra: Mapping[str, Any] | None = None) -> list[str]:
    """Names of all data sets, in the registry's order."""
    return list(load_registry(extra))


def resolve(name: str, mirror: str | os.PathLike[str] | None = None, extra: Mapping[str, Any] | None = None) -> Dataset:
    """As `get`; a name the registry lacks is accepted if the mirror has a folder NAME/HR with images.

    Such a set has no digests: its images are taken as they are. Raises SrgridError as `get` does.
    """
    folder = Path(mirror) / name / "HR" if mirror and plain_name(name) else None
    if folder and folder.is_dir() and name not in load_registry(extra):
        files = images.by_stem(images.list_images(folder))
        check_for_tables(files, folder)
        return Dataset(name, len(files), "test", tuple(files), licence="unknown", sources=(Source("mirror"),))
    return get(name, extra)


@cache
def _built_in() -> Mapping[str, Dataset]:
    raw = read_yaml(HERE / "registry.yaml")
    _check(raw, "registry.yaml")
    found = {name: _dataset(name, entry, HERE / "digests") for name, entry in raw.items()}
    check_links(found, "registry.yaml")
    return found


def _check(raw: Mapping[str, Any], where: str) -> None:
    try:
        config.check(raw, HERE / "registry.schema.yaml")
    except SrgridError as error:
        raise SrgridError(str(error).replace("config:", f"{where}:", 1)) from None
    except RecursionError:
        raise SrgridError(f"{where}: nested too deeply; no definition needs that") from None


def _dataset(name: str, raw: Mapping[str, Any], digests: Path) -> Dataset:
    lr = raw.get("lr", {})
    made = Dataset(
        name=name,
        images=int(raw["images"]),  # JSON Schema takes 3.0 for an integer
        use=raw["use"],
        declared=_names(raw.get("names", []), int(raw["images"])),
        aliases=tuple(raw.get("aliases", [])),
        scales=tuple(map(int, raw.get("scales", []))),
        licence=raw.get("licence", "not stated"),
        citation=_citation(name, raw.get("citation")),
        hub=raw.get("hub", ""),
        sources=tuple(_source(source) for source in raw.get("sources", [])),
        parent=raw.get("from"),
        steps=tuple((step, Fraction(value)) for item in raw.get("hr", []) for step, value in item.items()),
        lr_of=lr.get("of"),
        lr_times=int(lr.get("times", 1)),
        parts=tuple(raw.get("parts", [])),
        digest_file=digests / raw["digests"] if "digests" in raw else None,
    )
    if made.declared and len(made.declared) != made.images:
        raise SrgridError(f"{name}: images says {made.images}, but {len(made.declared)} names are listed")
    if bool(made.sources) + bool(made.parent) + bool(made.parts) > 1:
        raise SrgridError(f"{name}: give one of sources, from and parts, not several")
    if any(source.kind == "package" for source in made.sources[1:]):
        raise SrgridError(f"{name}: sources: a package stands first; what comes after it is for machines without it")
    return made


def _citation(name: str, raw: str | Mapping[str, str] | None) -> Reference | None:
    if isinstance(raw, Mapping):
        return Reference(raw.get("key", name), raw.get("bibtex", ""), raw["text"])
    try:
        return None if raw is None else reference(raw)
    except SrgridError as error:
        raise SrgridError(f"{name}: {error}") from None


def _source(raw: Mapping[str, Any]) -> Source:
    lists = {key: tuple(raw[key]) for key in ("files", "members") if key in raw}
    return Source(**{**raw, **lists})


def _names(raw: list[str] | Mapping[str, Any], count: int) -> tuple[str, ...]:
    if isinstance(raw, Mapping):
        return tuple(raw["format"].format(number) for number in range(int(raw["first"]), int(raw["first"]) + count))
    return tuple(raw)
