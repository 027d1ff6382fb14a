"""Real images for the tests: photographs that ship with scikit-image, and the benchmark sets if a mirror is at hand."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from skimage import data

from srgrid import images

ROOT = Path(__file__).resolve().parent.parent


def find_mirror() -> Path | None:
    """The mirror that SRGRID_MIRROR names, or one that lies beside the checkout."""
    named = os.environ.get("SRGRID_MIRROR")
    beside = ROOT.parent / "shared" / "datasets"
    if named:
        return Path(named)
    return beside if beside.is_dir() else None


def browser_wanted() -> bool:
    """A machine without chromium can leave the page tests out; CI (SRGRID_REQUIRE_BROWSER) cannot."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return bool(os.environ.get("SRGRID_REQUIRE_BROWSER") or any(map(shutil.which, names)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    import torch

    lacking = {
        "mirror": None if find_mirror() else "no benchmark images: set SRGRID_MIRROR",
        "browser": None if browser_wanted() else "no chromium: apt-get install chromium",
        "gpu": None if torch.cuda.is_available() else "no CUDA device",
    }
    for item in items:
        for marker, reason in lacking.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
    # Whole runs and trainings first: a long file that begins last keeps one core waiting.
    items.sort(key=lambda item: not {"workflow", "train"} & {*item.path.relative_to(ROOT).parts})


@pytest.fixture(scope="session")
def mirror() -> Path:
    found = find_mirror()
    assert found is not None
    return found


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Three colour photographs and a grey one, uint8."""
    return {"astronaut": data.astronaut(), "chelsea": data.chelsea(), "coffee": data.coffee(), "camera": data.camera()}


@pytest.fixture
def photo_dir(tmp_path: Path, photographs: dict[str, np.ndarray]) -> Path:
    """A folder of the photographs, cut to 96 x 120 px."""
    folder = tmp_path / "HR"
    for name, image in photographs.items():
        images.write(folder / f"{name}.png", image[40:136, 60:180])
    return folder


@pytest.fixture
def shelf_weights(tmp_path: Path) -> Path:
    """A folder with empty files in the places of the weights of others that config/shelf*.yaml name."""
    for file in (ROOT / "config").glob("shelf*.yaml"):
        run = yaml.safe_load(file.read_text())
        for named in run["weights"].values():
            for scale in run["scales"]:
                path = tmp_path / named.rpartition("@")[2].replace("{scale}", str(scale))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    return tmp_path
