"""List the licences of the packages that requirements.lock pins, as the installed ones declare them.

python tools/licences.py

Fails for one that is none of the licences below: read it, then add it here.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"

# Words of licences under which a program may use a package, pass it on, and be under Apache-2.0 itself.
FREE = re.compile(
    r"\b(Apache|BSD|MIT|MIT-CMU|HPND|ISC|PSF|Python Software Foundation|Zlib|CC0|Unlicense|0BSD)\b|\bMPL|Mozilla", re.I
)


def main() -> None:
    packages = re.findall(r"^([\w.-]+)==", LOCK.read_text(), re.M)
    told = {name: licence(name) for name in packages}
    for name, said in told.items():
        print(f"{name:32} {said}")
    if other := [f"{name} ({said})" for name, said in told.items() if not FREE.search(said)]:
        sys.exit(f"requirements.lock: not among the licences of {Path(__file__).name}: {', '.join(other)}")


def licence(package: str) -> str:
    """What a package declares: an SPDX expression, classifiers, a text's first line, or that of its licence file."""
    try:
        found = distribution(package)
    except PackageNotFoundError:
        return "not installed"
    held = found.metadata
    if expression := held.get("License-Expression"):
        return str(expression)
    classifiers = [one.rpartition(" :: ")[2] for one in held.get_all("Classifier", []) if one.startswith("License :: ")]
    files = [file.read_text() for file in found.files or () if file.name.upper().startswith(("LICENSE", "LICENCE"))]
    texts = [text.strip() for text in (held.get("License"), *files) if text and text.strip()]
    return ", ".join(classifiers) or (texts[0].splitlines()[0] if texts else "none declared")


if __name__ == "__main__":
    main()
