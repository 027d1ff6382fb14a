import json

import numpy as np
import pytest
from PIL import Image

from srgrid import images
from srgrid.errors import SrgridError
from srgrid.files import read_manifest, staged_dir, staged_file, write_manifest


def save(path, array, mode=None, **options):
    Image.fromarray(array, mode).save(path, **options)
    return path


@pytest.fixture
def rgb(photographs):
    return photographs["chelsea"][:40, :50]


def test_written_images_come_back_and_bytes_are_the_same_each_time(tmp_path, rgb, photographs):
    for name, image in {"rgb": rgb, "grey": photographs["camera"][:33, :21]}.items():
        images.write(tmp_path / f"{name}.png", image)
        first = (tmp_path / f"{name}.png").read_bytes()
        assert np.array_equal(images.read(tmp_path / f"{name}.png"), image)
        images.write(tmp_path / f"{name}.png", image)
        assert (tmp_path / f"{name}.png").read_bytes() == first


def test_lossless_packagings_are_converted(tmp_path, rgb):
    grey = rgb[..., 0]
    few = (rgb // 64) * 64
    opaque = np.dstack([rgb, np.full(grey.shape, 255, np.uint8)])
    assert np.array_equal(images.read(save(tmp_path / "alpha.png", opaque)), rgb)
    Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(tmp_path / "palette.png")
    assert np.array_equal(images.read(tmp_path / "palette.png"), few)
    Image.fromarray(grey > 100).save(tmp_path / "one.png")
    assert np.array_equal(images.read(tmp_path / "one.png"), np.where(grey > 100, 255, 0))
    assert np.array_equal(images.read(save(tmp_path / "x.bmp", rgb)), rgb)


def test_lossy_packagings_are_refused(tmp_path, rgb):
    half = np.dstack([rgb, np.full(rgb.shape[:2], 128, np.uint8)])
    deep = save(tmp_path / "deep.png", rgb[..., 0].astype(np.uint16) * 200)
    cmyk = tmp_path / "cmyk.jpg"
    Image.fromarray(rgb).convert("CMYK").save(cmyk)
    for path, words in [
        (save(tmp_path / "half.png", half), "transparent"),
        (deep, "more than 8 bits"),
        (_png16_rgb(tmp_path / "deep_rgb.png", rgb), "more than 8 bits"),
        (cmyk, "colour space CMYK"),
    ]:
        with pytest.raises(SrgridError, match=words) as caught:
            images.read(path)
        assert str(path) in str(caught.value)


def _png16_rgb(path, rgb):
    """A 16-bit RGB PNG, which Pillow would silently cut to 8 bits; written by hand because Pillow cannot."""
    import struct
    import zlib

    def chunk(kind, payload):
        return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))

    height, width = rgb.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in rgb.astype(np.uint16) * 257)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def test_missing_damaged_and_foreign_files_are_named(tmp_path, rgb):
    whole = save(tmp_path / "whole.png", rgb).read_bytes()
    cases = {"cut.png": whole[: len(whole) // 2], "text.png": b"hello", "empty.png": b""}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    for name in [*cases, "absent.png"]:
        with pytest.raises(SrgridError, match=name):
            images.read(tmp_path / name)


def test_truncated_jpeg_is_refused(tmp_path, photographs):
    file = save(tmp_path / "a.jpg", photographs["coffee"])
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(SrgridError, match="truncated"):
        images.read(file)


def test_staging_leaves_the_old_or_nothing(tmp_path):
    out = tmp_path / "made"
    for content in ("one", "two"):
        with staged_dir(out) as staged:
            (staged / "a.txt").write_text(content)
            entry = {"width": 1, "height": 1, "channels": 1, "sha256": "0" * 64}
            write_manifest(staged, {"step": "test"}, {"a.txt": entry})
    with pytest.raises(ZeroDivisionError):
        _fail_in(staged_dir(out), "a.txt")
    assert (out / "a.txt").read_text() == "two"
    with pytest.raises(ZeroDivisionError):
        _fail_in(staged_file(tmp_path / "b.txt"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made"]


def _fail_in(staging, *inside):
    with staging as staged:
        staged.joinpath(*inside).write_text("half")
        raise ZeroDivisionError


def test_a_folder_of_someone_else_is_not_replaced(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(SrgridError, match="was not made by srgrid"), staged_dir(tmp_path / "precious"):
        pass
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years of work"


def test_manifest_describes_pixels_not_bytes(photo_dir):
    write_manifest(photo_dir, {"step": "test"}, images.describe_folder(photo_dir))
    first = read_manifest(photo_dir)
    entry = first["files"]["astronaut.png"]
    assert (entry["width"], entry["height"], entry["channels"]) == (120, 96, 3)
    Image.open(photo_dir / "astronaut.png").save(photo_dir / "astronaut.png", compress_level=9)
    write_manifest(photo_dir, {"step": "test"}, images.describe_folder(photo_dir))
    assert read_manifest(photo_dir) == first
    (photo_dir / "manifest.json").write_text(json.dumps({"files": 3})[:-1])
    with pytest.raises(SrgridError, match="damaged manifest"):
        read_manifest(photo_dir)


def test_list_and_stems(tmp_path, rgb):
    with pytest.raises(SrgridError, match="no such folder"):
        images.list_images(tmp_path / "absent")
    with pytest.raises(SrgridError, match="holds no images"):
        images.list_images(tmp_path)
    save(tmp_path / "b.png", rgb)
    save(tmp_path / "a.bmp", rgb)
    assert [p.name for p in images.list_images(tmp_path)] == ["a.bmp", "b.png"]
    save(tmp_path / "a.png", rgb)
    with pytest.raises(SrgridError, match="same name"):
        images.by_stem(images.list_images(tmp_path))
