"""Papers and programs that are cited: references.bib, the only place where they stand, read by key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from srgrid.errors import SrgridError

FILE = Path(__file__).with_name("references.bib")
_ENTRY = re.compile(r"^@\w+\{([^,\s]+),\n.*?^\}$", re.M | re.S)
_FIELD = re.compile(r"^  (\w+) *= \{(.*)\},?$", re.M)


@dataclass(frozen=True)
class Reference:
    """One entry: its key, its BibTeX text, and what it is called in a sentence ("Bevilacqua et al. 2012")."""

    key: str
    bibtex: str
    short: str


@cache
def references() -> Mapping[str, Reference]:
    """Every entry of references.bib by its key, in the order of the file. Raises SrgridError if it is damaged."""
    try:
        text = FILE.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SrgridError(f"{FILE}: cannot be read ({error}); install srgrid again") from None
    entries = ((found[1], found[0]) for found in _ENTRY.finditer(text))
    return {key: Reference(key, entry, _short(dict(_FIELD.findall(entry)))) for key, entry in entries}


def reference(key: str) -> Reference:
    """The entry of that key. Raises SrgridError if there is none."""
    if key not in references():
        raise SrgridError(f"citation {key!r}: not in references.bib; known: {', '.join(references())}")
    return references()[key]


def bibtex(keys: Iterable[str]) -> list[str]:
    """The BibTeX texts of these keys, each once, in the order of the file. Raises SrgridError as `reference`."""
    wanted = {reference(key).key for key in keys}
    return [entry.bibtex for key, entry in references().items() if key in wanted]


def _short(fields: Mapping[str, str]) -> str:
    """Surnames and year: one author, two joined by "and", or the first "et al."; without authors, the title."""
    names = [re.sub(r"[{}]", "", name.partition(",")[0]) for name in fields.get("author", "").split(" and ")]
    who = " and ".join(names) if len(names) <= 2 else f"{names[0]} et al."
    return f"{who} {fields.get('year', '')}".strip() or re.sub(r"[{}]", "", fields.get("title", ""))
