"""Training packs from real photographs: contents, alignment, and damage."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from srgrid import images
from srgrid.data.pack import Pack, pack
from srgrid.errors import SrgridError
from srgrid.resize import imresize


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
    assert not opened.samples.flags.writeable


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
