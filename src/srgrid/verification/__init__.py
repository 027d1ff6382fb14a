"""Verifying a finished run: what is on record is made again from its inputs, and compared."""

from __future__ import annotations

from srgrid.verification.found import Finding, Verified
from srgrid.verification.run import verify_run

__all__ = ["Finding", "Verified", "verify_run"]
