"""A small training set from scikit-image's photographs."""

import pytest
from skimage import data

from srgrid import images
from srgrid.data.pack import pack


@pytest.fixture(scope="session")
def packs(tmp_path_factory):
    """scale -> a pack of six crops of photographs of different sizes, one of them grey."""
    folder = tmp_path_factory.mktemp("photographs")
    crops = {
        "astronaut": data.astronaut()[:120, 100:260],
        "cat": data.chelsea()[40:160, 100:260],
        "coffee": data.coffee()[100:208, 200:330],
        "rocket": data.rocket()[200:320, 250:400],
        "camera": data.camera()[100:220, 150:300],
        "coins": data.coins()[:110, :140],
    }
    for name, crop in crops.items():
        images.write(folder / "HR" / f"{name}.png", crop)
    made = {}
    for scale in (2, 3, 4):
        made[scale] = folder / f"x{scale}.srpack"
        pack([folder / "HR"], scale, made[scale])
    return made
