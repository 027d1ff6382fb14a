"""`srgrid bench` makes the table that the workflow makes, byte for byte."""

import json

import pytest
from running import bench

from srgrid.records import TABLE_NAMES


@pytest.fixture(scope="module")
def benched(finished, tmp_path_factory):
    """The cells of the finished run, with the weights that it trained."""
    weights = finished / "results/tiny/weights/rcan-bam-xs_x{scale}.safetensors"
    words = ["--dataset", "sample", "--scale", 2, 3, "--protocol", "rgb8", "super-image", "--threads", 1]
    return bench(tmp_path_factory.mktemp("bench"), weights, *words)


@pytest.mark.parametrize("name", [*TABLE_NAMES, "grid.tex", "grid_wide.csv"])
def test_a_table_is_the_workflows_byte_for_byte(finished, benched, name):
    assert (benched / name).read_bytes() == (finished / "results/tiny" / name).read_bytes()


def test_its_record_tells_of_the_same_images_and_code(finished, benched):
    """All that tables are known by: what made the SR images, from which LR and HR, by which code."""
    own, other = (json.loads((folder / "tables.json").read_text()) for folder in (benched, finished / "results/tiny"))
    assert own == other
    own, other = (
        json.loads((folder / "provenance.json").read_text()) for folder in (benched, finished / "results/tiny")
    )
    for key in ("inputs", "outputs", "versions", "hardware", "commit"):
        assert own[key] == other[key], key
    for column, record in own["weights"].items():
        assert record["sha256"] == other["weights"][column]["sha256"]
