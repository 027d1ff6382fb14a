"""Training packs from real photographs: contents, alignment, and damage."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from srgrid import images
from srgrid.data.hrpack import pack_hr
from srgrid.data.pack import Pack, pack
from srgrid.errors import SrgridError
from srgrid.resize import imresize

# By which weights and state folders know the training set below: those of the first version.
DIGESTS = {
    2: "c1cfd9d7a121bf9be68e8c7a1b7d24d1321268c663103e8c4b991c2119034e59",
    3: "a03e7a5a9da6aeb4eef471c91b1d30946c497b6db45d910cfb9215f07b1bc988",
    4: "2be627642aa677ef2e1af38f30be46530e1a371e8eceecb839571b8f7256b50c",
}


@pytest.fixture
def folders(tmp_path):
    images.write(tmp_path / "animals" / "HR" / "chelsea.png", data.chelsea()[:101, :150])
    images.write(tmp_path / "animals" / "HR" / "astronaut.png", data.astronaut()[:64, :77])
    images.write(tmp_path / "grey" / "camera.png", data.camera()[:50, :61])
    return [tmp_path / "animals" / "HR", tmp_path / "grey"]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_pack_holds_every_image_and_its_exact_lr(folders, tmp_path, scale):
    pack(folders, scale, tmp_path / "set.srpack")
    opened = Pack.open(tmp_path / "set.srpack")
    assert [e.name for e in opened.entries] == ["animals/astronaut", "animals/chelsea", "grey/camera"]
    originals = [data.astronaut()[:64, :77], data.chelsea()[:101, :150], data.camera()[:50, :61]]
    for (_, hr, lr), original in zip(opened.pairs(), originals, strict=True):
        colour = original if original.ndim == 3 else np.stack([original] * 3, axis=2)
        height, width = (n // scale * scale for n in original.shape[:2])
        np.testing.assert_array_equal(hr, colour[:height, :width])
        np.testing.assert_array_equal(lr, imresize(np.ascontiguousarray(hr), 1 / scale))
    assert not opened.maps[0].flags.writeable
    assert opened.digest == DIGESTS[scale]


@pytest.fixture
def shared(folders, tmp_path):
    """A file of HR images in a folder of its own."""
    pack_hr(folders, tmp_path / "packs" / "set.srhr")
    return tmp_path / "packs" / "set.srhr"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_packs_of_all_scales_share_their_hr_images(folders, tmp_path, shared, scale):
    """The same training set as that of a pack with HR in it, by digest and pixels, wherever the two are put."""
    pack(folders, scale, tmp_path / "whole.srpack")
    pack([shared], scale, shared.with_name("lr.srpack"))
    assert shared.with_name("lr.srpack").stat().st_size < (tmp_path / "whole.srpack").stat().st_size / 3
    shared.parent.rename(tmp_path / "moved")
    whole, opened = Pack.open(tmp_path / "whole.srpack"), Pack.open(tmp_path / "moved" / "lr.srpack")
    assert opened.digest == whole.digest == DIGESTS[scale]
    assert opened.degradation == whole.degradation
    for (name, hr, lr), (name2, hr2, lr2) in zip(whole.pairs(), opened.pairs(), strict=True):
        assert name == name2
        np.testing.assert_array_equal(hr, hr2)
        np.testing.assert_array_equal(lr, lr2)
    assert not opened.hr(0).flags.writeable


def test_a_shared_hr_file_that_is_lost_damaged_or_another_is_refused(folders, tmp_path, shared):
    file, whole = shared.with_name("x2.srpack"), shared.read_bytes()
    pack([shared], 2, file)
    cases = {
        r"set\.srhr: torn file of HR images": whole[:-1],
        r"set\.srhr: torn file of HR images \(wrong digest of its head\)": whole[:60] + b"x" + whole[61:],
        r"set\.srhr: damaged training pack \(wrong digest\)": whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:],
        r"set\.srhr: not a file of HR images": file.read_bytes(),
    }
    for message, content in cases.items():
        shared.write_bytes(content)
        with pytest.raises(SrgridError, match=message):
            Pack.open(file)
    shared.write_bytes(whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:])
    with pytest.raises(SrgridError, match=r"set\.srhr: damaged file of HR images"):
        pack([shared], 3, shared.with_name("x3.srpack"))
    pack_hr(folders[:1], shared)
    with pytest.raises(SrgridError, match=r"x2\.srpack: was made from other images than .*set\.srhr holds"):
        Pack.open(file)
    shared.unlink()
    with pytest.raises(SrgridError, match=r"set\.srhr: no readable file of HR images"):
        Pack.open(file)
    assert sorted(p.name for p in shared.parent.iterdir()) == ["x2.srpack"]


def test_the_same_images_give_the_same_bytes_and_nothing_else_is_left(folders, tmp_path):
    for name in ("a", "b"):
        pack(folders, 2, tmp_path / "out" / name)
    assert (tmp_path / "out" / "a").read_bytes() == (tmp_path / "out" / "b").read_bytes()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a", "b"]


def test_a_pack_of_an_earlier_version_was_made_by_the_one_degradation_there_was(folders, tmp_path):
    pack(folders, 2, tmp_path / "now")
    raw = (tmp_path / "now").read_bytes()
    (length,) = struct.unpack("<Q", raw[8:16])
    manifest = json.loads(raw[48 : 48 + length])
    assert manifest.pop("degradation")["name"] == "matlab"
    text = json.dumps(manifest | {"lr": "srgrid.resize.imresize"}, sort_keys=True).encode().ljust(length)
    head = raw[:8] + struct.pack("<Q", len(text)) + hashlib.sha256(text).digest() + text
    (tmp_path / "earlier").write_bytes(head + raw[48 + length :])
    now, earlier = Pack.open(tmp_path / "now"), Pack.open(tmp_path / "earlier")
    assert earlier.digest == now.digest
    assert earlier.degradation == now.degradation


def test_damage_is_found(folders, tmp_path):
    file = tmp_path / "set.srpack"
    pack(folders, 2, file)
    whole = file.read_bytes()
    for size in (0, 10, 100, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(SrgridError, match=r"set\.srpack: (torn|not a) training pack"):
            Pack.open(file)
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(SrgridError, match="wrong digest"):
        Pack.open(file)
    with pytest.raises(SrgridError, match="no readable training pack"):
        Pack.open(tmp_path / "absent")


def test_a_bad_image_leaves_no_pack(folders, tmp_path):
    (folders[1] / "broken.png").write_bytes(b"not a png")
    with pytest.raises(SrgridError, match=r"broken\.png"):
        pack(folders, 2, tmp_path / "out" / "set.srpack")
    assert list(Path(tmp_path / "out").iterdir()) == []
