"""A small benchmark of real photographs with digests of its own, and mirrors of it to damage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srgrid import images
from srgrid.data import digests


@dataclass
class Bench:
    """A set called Photos: its originals, and its entry for `extra`."""

    originals: dict[str, np.ndarray]
    extra: dict[str, Any]

    def mirror(self, root: Path) -> Path:
        """Make a mirror of it; returns Photos/HR."""
        folder = root / "Photos" / "HR"
        for name, image in self.originals.items():
            images.write(folder / f"{name}.png", image)
        return folder


@pytest.fixture
def bench(tmp_path: Path, photographs: dict[str, np.ndarray]) -> Bench:
    originals = {name: np.ascontiguousarray(photo[20:171, 30:207]) for name, photo in sorted(photographs.items())}
    rows = [row for name, image in originals.items() for row in digests.digest_rows(name, f"orig_{name}", image)]
    digests.write_digests(tmp_path / "Photos.csv", rows)
    entry = {"images": 4, "use": "test", "names": list(originals), "digests": str(tmp_path / "Photos.csv")}
    half = {"images": 4, "use": "test", "from": "Photos", "hr": [{"modcrop": 4}, {"imresize": "1/2"}]}
    both = {"images": 8, "use": "train", "parts": ["Photos", "Photos-half"]}
    return Bench(originals, {"Photos": entry, "Photos-half": half, "Photos-both": both})
