"""Which code makes a result: a digest of the modules that a step runs, and the versions of the packages they import."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import metadata
from pathlib import Path

NOT_INSTALLED = "not installed"
PACKAGE = Path(__file__).resolve().parent

# What moves a number or a pixel. torch is named by the steps that run a network alone.
_NUMERIC = {
    "numpy": "numpy",
    "PIL": "pillow",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "torch": "torch",
    "pandas": "pandas",
}

# What these import and name moves no pixel: they find and fetch weights, whose digest is recorded, or write about them.
_ENDS = ("srgrid.models.hub", "srgrid.installed")

# Import statements as ruff formats them. Parsing all modules takes half a second, which every planning would pay.
_IMPORT = re.compile(r"^[ \t]*(?:from +([\w.]+) +import +(\([^)]*\)|[^\n(]+)|import +([^\n#]+))", re.M)


@cache
def code_identity(module: str) -> dict[str, str]:
    """`{"source": digest, package: version, ...}` of a module (`srgrid.degrade`) and all it imports, lazily or not.

    source: sha256 over the source of the module and of every srgrid module and data file that it reaches. Two results
    made under equal identities were made by the same code.
    """
    files, packages = _reach(module)
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(PACKAGE).as_posix()}\n".encode())
        digest.update(file.read_bytes())
    return {"source": digest.hexdigest()[:16]} | {name: version(name) for name in sorted(packages)}


@cache
def version(package: str) -> str:
    """The installed version of a package, or "not installed"."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return NOT_INSTALLED


def _reach(module: str) -> tuple[set[Path], set[str]]:
    """Source files that a module reaches by imports, and the numeric packages named in them."""
    waiting, files, packages = [module], set[Path](), set[str]()
    while waiting:
        name = waiting.pop()
        file = _source(name)
        if file is None or file in files:
            continue
        imports, data = ([], []) if name in _ENDS else _named(file)
        files |= {file, *data}
        for name in imports:
            if name.split(".")[0] == "srgrid":
                waiting.append(name)
            elif name.split(".")[0] in _NUMERIC:
                packages.add(_NUMERIC[name.split(".")[0]])
    return files, packages


@cache
def _source(module: str) -> Path | None:
    place = PACKAGE.joinpath(*module.split(".")[1:])
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


@cache
def _named(file: Path) -> tuple[list[str], list[Path]]:
    """What a module names: the modules that it imports, wherever in it, and data files.

    `from a import b` counts as a and as a.b. A data file under the module's folder is named by a text that is its own
    name (choices.yaml), that of a file beside it, or that of a folder it lies in (digests, or data/digests).
    """
    source = file.read_text(encoding="utf-8")
    imports = []
    for origin, names, modules in _IMPORT.findall(source):
        imports += [word.split()[0] for word in modules.split(",")] if modules else [origin]
        words = (word.split() for word in re.sub(r"#.*", "", names.strip("()")).split(","))
        imports += [f"{origin}.{word[0]}" for word in words if word]
    under = {path: _names(path.relative_to(file.parent)) for path in _data_files(file.parent)}
    said = {name for name in set().union(*under.values()) if f'"{name}"' in source}
    folders = {path.parent for path in under if path.parent != file.parent and path.name in said}
    return imports, [path for path, names in under.items() if path.parent in folders or said & names]


def _names(path: Path) -> set[str]:
    """Texts that name a data file: each part of its way, and each way to a folder that it lies in."""
    return {*path.parts, *(folder.as_posix() for folder in path.parents if folder.name)}


@cache
def _data_files(folder: Path) -> tuple[Path, ...]:
    return tuple(path for path in folder.rglob("*.*") if path.is_file() and path.suffix not in (".py", ".pyc"))
