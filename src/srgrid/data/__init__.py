"""Benchmark images: the registry, fetching and verifying, and Hugging Face datasets. Imports nothing heavy."""

from __future__ import annotations

from srgrid.data.fetch import fetch
from srgrid.data.hub import augment_five_crop, export, load
from srgrid.data.registry import get, load_registry, names, resolve
from srgrid.data.verify import verify_dir

__all__ = ["augment_five_crop", "export", "fetch", "get", "load", "load_registry", "names", "resolve", "verify_dir"]
