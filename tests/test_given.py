"""Finished SR images of another program: their names matched with those of HR, and the folder that is made of them."""

import numpy as np
import pytest
from click.testing import CliRunner

from srgrid import given, images
from srgrid.cli import app
from srgrid.errors import SrgridError
from srgrid.files import read_manifest
from srgrid.protocols import get_protocol
from srgrid.resize import imresize
from srgrid.scoring import read_as, score_dirs

HR = ["baby", "bird", "butterfly", "head", "woman"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("{}", "NAME"),
        ("{}_SwinIR", "NAME_SwinIR"),
        ("{}x4", "NAMEx4"),
        ("Set5_{}_x4_SR", "Set5_NAME_x4_SR"),
        ("SR-{}", "SR-NAME"),
    ],
)
def test_one_prefix_and_one_suffix(form, said):
    matched, affixes = given.match([form.format(name) for name in HR], HR, "SR")
    assert matched == {name: form.format(name) for name in HR}
    assert str(affixes) == said


def test_a_name_that_lies_in_another_one():
    names = ["1", "11", "img_1"]
    matched, _ = given.match([f"{name}_1" for name in names], names, "SR")
    assert matched == {name: f"{name}_1" for name in names}


@pytest.mark.parametrize(
    ("sr", "hr", "words"),
    [
        (["a_a"], ["a"], "SR: its names can be read as NAME_a or a_NAME"),
        (["babyx4"], ["baby", "bird"], "SR: read as NAMEx4, has no SR image for bird;"),
        (["babyx4", "birdx4", "headx4"], ["baby", "bird"], "SR: read as NAMEx4, headx4 match no HR image;"),
        (["babyx4", "bird_SR"], ["baby", "bird"], "has no SR image for bird and bird_SR match no HR image"),
        (
            ["baby_A", "baby_B", "bird_A", "bird_B"],
            ["baby", "bird"],
            "read as NAME_A, baby_B, bird_B match no HR image",
        ),
        (["x", "y"], ["baby", "bird"], "no name of an SR image holds that of an HR image (x there, baby here)"),
    ],
)
def test_what_is_missing_or_ambiguous_is_listed(sr, hr, words):
    with pytest.raises(SrgridError) as caught:
        given.match(sr, hr, "SR")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def sr_dir(photo_dir, tmp_path):
    """SR images under another program's names."""
    for file in images.list_images(photo_dir):
        images.write(tmp_path / f"other/Own_{file.stem}_x2.png", imresize(imresize(images.read(file), 1 / 2), 2))
    return tmp_path / "other"


def test_a_folder_is_made_with_a_manifest(photo_dir, sr_dir, tmp_path):
    assert str(given.take(sr_dir, photo_dir, tmp_path / "SR")) == "Own_NAME_x2"
    manifest = read_manifest(tmp_path / "SR")
    assert set(manifest["files"]) == {f"{file.stem}.png" for file in images.list_images(photo_dir)}
    source = images.read(sr_dir / "Own_coffee_x2.png")
    noted = {"file": "Own_coffee_x2.png", "sha256": images.pixel_digest(source)}
    assert manifest["made_by"]["step"] == "sr"
    assert manifest["made_by"]["sources"]["files"]["coffee.png"] == noted
    assert manifest["made_by"]["sources"]["names"] == "Own_NAME_x2"
    assert (images.read(tmp_path / "SR/coffee.png") == source).all()


def test_nothing_is_written_of_a_damaged_folder(photo_dir, sr_dir, tmp_path):
    file = sr_dir / "Own_coffee_x2.png"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(SrgridError, match="Own_coffee_x2"):
        given.take(sr_dir, photo_dir, tmp_path / "SR")
    assert not (tmp_path / "SR").exists()
    with pytest.raises(SrgridError, match="lies inside the input"):
        given.take(sr_dir, photo_dir, sr_dir / "SR")


def test_score_reads_such_names_too(photo_dir, sr_dir, tmp_path):
    given.take(sr_dir, photo_dir, tmp_path / "SR")
    rows = score_dirs(sr_dir, photo_dir, 2, get_protocol("rgb8"))
    made = score_dirs(tmp_path / "SR", photo_dir, 2, get_protocol("rgb8"))
    assert [(row.image, row.values) for row in rows] == [(row.image, row.values) for row in made]
    assert rows[0].sr[0] == f"Own_{rows[0].image}_x2.png"
    assert (read_as(rows), read_as(made)) == ("Own_NAME_x2", "")


def test_score_does_not_guess(tmp_path):
    for file in ("SR/a_a.png", "HR/a.png"):
        images.write(tmp_path / file, np.zeros((40, 40), np.uint8))
    with pytest.raises(SrgridError, match="can be read as NAME_a or a_NAME"):
        score_dirs(tmp_path / "SR", tmp_path / "HR", 2, get_protocol("rgb8"))


def test_commands_say_how_names_were_read(photo_dir, sr_dir, tmp_path):
    said = f"{sr_dir}: names read as Own_NAME_x2\n"
    for words in (["sr", sr_dir, photo_dir, tmp_path / "SR"], ["score", sr_dir, photo_dir, "--scale", "2"]):
        done = CliRunner().invoke(app, list(map(str, words)))
        assert done.exit_code == 0, done.output
        assert said in done.output


def test_a_fingerprint_follows_the_files(sr_dir):
    before = given.fingerprint(sr_dir)
    assert before == given.fingerprint(sr_dir)
    (sr_dir / "Own_coffee_x2.png").touch()
    assert given.fingerprint(sr_dir) != before
    with pytest.raises(SrgridError, match="cannot be read"):
        given.fingerprint(sr_dir / "none")


def test_faults_of_a_config_are_known_by_names_alone(sr_dir, tmp_path):
    def faults(pattern, cells=(("Own", 2),), names=("coffee",)):
        return list(given.faults(str(tmp_path / pattern), cells, {"Own": names}, tmp_path))

    assert faults("other", names=()) == []
    assert faults("other", names=("astronaut", "camera", "chelsea", "coffee")) == []
    assert "match no HR image" in faults("other")[0]
    assert "{model} means nothing here" in faults("{model}")[0]
    assert "there is no such folder" in faults("{dataset}/x{scale}")[0]
    (fault,) = faults("other", cells=(("Own", 2), ("Own", 4)), names=())
    assert "is named for Own x2 and Own x4; put {dataset} and {scale} in" in fault
