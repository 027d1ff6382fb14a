"""A degradation that the config defines goes through the whole workflow."""

import numpy as np
from running import read, run

from srgrid import images
from srgrid.resize import imresize


def test_a_run_under_a_degradation_of_its_config(tmp_path):
    """Planned and scored by the workflow; other steps under the same name make its images again."""
    changes = {
        "methods": ["bicubic"],
        "scales": [2],
        "protocols": ["soft"],
        "define_protocols": {"soft": {"degradation": "soft"}},
        "define_degradations": {"soft": [{"modcrop": "scale"}, {"imresize": 2}, {"imresize": "0.5/scale"}]},
    }
    done = run(tmp_path, "scores", changes=changes)
    assert done.returncode == 0, done.stderr
    (row,) = read(tmp_path / "results/tiny/grid.csv")
    assert row["protocol"] == "soft"
    lr = images.read(tmp_path / "resources/LR/soft/sample/x2/coffee.png")
    hr = images.read(tmp_path / "resources/HR/sample/coffee.png")
    assert np.array_equal(lr, imresize(imresize(hr, 2), 1 / 4))
    changes["define_degradations"] = {"soft": [{"modcrop": "scale"}, {"pillow-bicubic": "1/scale"}]}
    assert "lr " in run(tmp_path, "scores", "--dry-run", changes=changes).stdout
