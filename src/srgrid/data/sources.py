"""Where a data set's files are: in an installed package, in a mirror, or in a downloaded archive."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from srgrid.data.registry import Source
from srgrid.errors import SrgridError


def package_files(source: Source) -> list[Path]:
    """The files of a package source, found without importing the package.

    Raises SrgridError if the package is not installed or ships no such file.
    """
    spec = importlib.util.find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        raise SrgridError(f"the Python package {source.package} is not installed; install it to get these images")
    folder = Path(next(iter(spec.submodule_search_locations))) / source.folder
    files = [folder / name for name in source.files]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise SrgridError(f"the installed package {source.package} ships no {', '.join(missing)}; update the package")
    return files
