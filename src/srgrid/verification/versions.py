"""By what a run was made, and by what it is verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from srgrid.code import NOT_INSTALLED, code_identity
from srgrid.environment import commit, cpu_name, versions
from srgrid.provenance import STEPS
from srgrid.verification.found import Finding


def code_of(provenance: Mapping[str, Any], step: str) -> Mapping[str, str] | None:
    """The identity of the code of a step, as it is on record."""
    code = provenance.get("code") or {}
    known = code.get(step) or (code.get("present") or {}).get(step)
    return known if isinstance(known, Mapping) else None


def same_code(provenance: Mapping[str, Any], step: str) -> bool:
    """Whether a step was made by this code, with these packages."""
    return code_of(provenance, step) == code_identity(STEPS[step])


def compare_versions(provenance: Mapping[str, Any], others: Sequence[Finding]) -> list[Finding]:
    """What the run was made by and is not here, each with whether it mattered: whether any of `others` differs."""
    told = {"srgrid": _source(provenance), "packages": _packages(provenance), "processor": _processor(provenance)}
    found = [Finding(what, "other version", f"{text}: {_mattered(others)}") for what, text in told.items() if text]
    return found or [Finding("srgrid, packages", "equal", "the run was made by the same")]


def _source(provenance: Mapping[str, Any]) -> str:
    own = [step for step in STEPS if code_of(provenance, step) is not None]
    other = [s for s in own if (code_of(provenance, s) or {}).get("source") != code_identity(STEPS[s])["source"]]
    if own and not other:
        return ""
    what = f"other source of {', '.join(other)}" if other else "the source is not on record"
    return f"{what} (commit {_short(provenance.get('commit'))}, here {_short(commit())})"


def _packages(provenance: Mapping[str, Any]) -> str:
    here = versions()
    apart = [
        f"{name} {version}, here {here[name]}"
        for name, version in sorted((provenance.get("versions") or {}).items())
        if name in here and NOT_INSTALLED != version != here[name]
    ]
    return "; ".join(apart)


def _processor(provenance: Mapping[str, Any]) -> str:
    there = str((provenance.get("hardware") or {}).get("cpu", "not on record"))
    return "" if there == cpu_name() else f"{there}, here {cpu_name()}"


def _mattered(others: Sequence[Finding]) -> str:
    held = {one.how for one in others}
    if "differs" in held:
        return "may be why something differs"
    return "moved scores within the tolerance" if "within tolerance" in held else "did not matter"


def _short(name: object) -> str:
    text = str(name or "not on record")
    return text[:12] + ("-dirty" if text.endswith("-dirty") else "") if name else text
