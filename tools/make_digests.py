"""Compute the digest files of the registry from trusted copies of the images (for maintainers).

    python tools/make_digests.py MIRROR [NAME ...]

MIRROR is laid out NAME/HR/*. Sets from packages and variants need no mirror of their own. Files are taken in the order
of their names, which must be the order of the registry's image names. Training sets get no crops: nobody trains on
a fixed crop. Look at the difference before you commit it: a digest that changes is a benchmark that changes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from srgrid import images
from srgrid.data import digests, registry
from srgrid.data.sources import package_files
from srgrid.errors import SrgridError
from srgrid.progress import track
from srgrid.steps import apply_steps


def originals(entry: registry.Dataset, mirror: Path) -> list[Path]:
    """The trusted files of a set, in order."""
    if entry.sources and entry.sources[0].kind == "package":
        return package_files(entry.sources[0])
    return images.list_images(mirror / entry.name / "HR")


def rows(entry: registry.Dataset, mirror: Path) -> list[dict[str, str]]:
    """The rows of a set's digest file."""
    parent = registry.get(entry.parent) if entry.parent else entry
    files = originals(parent, mirror)
    names = entry.declared or tuple(file.stem for file in files)
    if len(files) != entry.images:
        raise SrgridError(f"{entry.name}: {len(files)} files, but the registry says {entry.images} images")
    made = []
    for image_name, file in track(list(zip(names, files, strict=True)), f"digests of {entry.name}"):
        image = apply_steps(images.read(file), entry.steps)
        made += digests.digest_rows(image_name, file.stem, image, digests.CROPS if entry.use == "test" else ())
    return made


def main(arguments: list[str]) -> None:
    """Make the digests of the named sets, or of all that have some."""
    mirror, *chosen = arguments
    entries = [registry.get(name) for name in chosen or registry.names()]
    for entry in entries:
        if entry.digest_file:
            digests.write_digests(entry.digest_file, rows(entry, Path(mirror)))


if __name__ == "__main__":
    main(sys.argv[1:])
