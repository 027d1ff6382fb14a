"""Which code makes a result: a digest of the modules that a step runs, and the versions of the packages they import."""

from __future__ import annotations

import ast
import hashlib
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
        file = _source(waiting.pop())
        if file is None or file in files:
            continue
        files.add(file)
        for name in _imports(file):
            if name.split(".")[0] == "srgrid":
                waiting.append(name)
            elif name.split(".")[0] in _NUMERIC:
                packages.add(_NUMERIC[name.split(".")[0]])
    return files, packages


def _source(module: str) -> Path | None:
    place = PACKAGE.joinpath(*module.split(".")[1:])
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def _imports(file: Path) -> list[str]:
    """Modules that a file imports, wherever in it; `from a import b` counts as a and as a.b."""
    found = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found
