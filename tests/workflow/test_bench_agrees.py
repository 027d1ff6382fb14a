"""`srgrid bench` makes the table that the workflow makes, byte for byte."""

import json

import pytest
from running import ROOT, bench, run

from srgrid.records import TABLE_NAMES

PROTOCOLS = ["rgb8", "super-image"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The folders of one table: made by the workflow, and by `srgrid bench`."""
    folder = tmp_path_factory.mktemp("bench")
    weights = {"rcan-bam-s": str(ROOT / "models/rcan-bam-s_x{scale}.safetensors")}
    cells = {"methods": ["bicubic", "rcan-bam-s", "lanczos"], "scales": [4], "protocols": PROTOCOLS}
    done = run(folder, "scores", changes={**cells, "weights": weights})
    assert done.returncode == 0, done.stdout + done.stderr
    words = ["--dataset", "sample", "--scale", 4, "--protocol", *PROTOCOLS, "--threads", 1]
    return folder / "results/tiny", bench(folder, "rcan-bam-s", "lanczos", *words)


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_a_table_is_the_workflows_byte_for_byte(tables, name):
    theirs, ours = tables
    assert (ours / name).read_bytes() == (theirs / name).read_bytes()


def test_its_record_tells_of_the_same_images_and_code(tables):
    """What tables are known by: what made the SR images, from which LR and HR, under which protocols, by which code."""
    theirs, ours = (json.loads((folder / "tables.json").read_text()) for folder in tables)
    assert ours == theirs
    assert len(ours["methods"]) == 3
