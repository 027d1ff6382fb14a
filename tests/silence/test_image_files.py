"""Nothing wrong passes in silence: reading images, grey packagings, ranges, names, and what a folder leaves out."""

import io
import os
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from srgrid import grey, images, jpeg, scoring
from srgrid.data import fetch, recognise, registry, verify_dir
from srgrid.degrade import make_lr
from srgrid.errors import SrgridError
from srgrid.metrics import score
from srgrid.protocols import PROTOCOLS, protocols
from srgrid.resize import imresize, modcrop
from srgrid.upscale import upscale_dir

TILE = 20 * np.log10(255 / 219)  # dB that Y's narrower range is worth


def three(image: np.ndarray) -> np.ndarray:
    return np.repeat(image[..., None], 3, axis=2)


def save(path: Path, image: np.ndarray | Image.Image, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


@pytest.fixture
def photo(photographs: dict[str, np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(photographs["chelsea"][:72, :96])


@pytest.fixture
def camera(photographs: dict[str, np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(photographs["camera"][100:196, 100:220])


# 3. grey stored as colour


PACKAGINGS = {
    "grey": Image.fromarray,
    "three channels": lambda g: Image.fromarray(three(g)),
    "palette": lambda g: Image.fromarray(g).convert("P"),
    "LA": lambda g: Image.fromarray(g).convert("LA"),
    "RGBA": lambda g: Image.fromarray(g).convert("RGBA"),
}


@pytest.mark.parametrize("packaging", PACKAGINGS)
@pytest.mark.parametrize("protocol", [*PROTOCOLS, "tiled"])
def test_3_packaging_does_not_move_a_score(tmp_path: Path, camera: np.ndarray, packaging: str, protocol: str) -> None:
    """By hand: lr, upscale and score of a grey image give the same number however HR is stored."""
    known = protocols({"tiled": {"grey": "tile"}})
    sr = imresize(imresize(camera, 0.5), 2)
    expected = score(sr, camera, 2, known[protocol])
    save(tmp_path / "HR" / "a.png", PACKAGINGS[packaging](camera))
    make_lr(tmp_path / "HR", tmp_path / "LR", 2)
    upscale_dir(tmp_path / "LR", tmp_path / "SR", "bicubic", 2)
    row = scoring.score_dirs(tmp_path / "SR", tmp_path / "HR", 2, known[protocol])[0]
    assert tuple(row.values.values()) == expected
    assert score(three(sr), three(camera), 2, known[protocol]) == expected
    assert images.read(tmp_path / "LR" / "a.png").ndim == 2


def test_3_the_protocol_chooses_the_arithmetic(camera: np.ndarray) -> None:
    sr = imresize(imresize(camera, 0.5), 2)
    tile = protocols({"tiled": {"grey": "tile"}})["tiled"]
    own = score(three(sr), three(camera), 2)
    assert score(three(sr), three(camera), 2, tile).psnr == pytest.approx(own.psnr + TILE)
    assert score(three(sr), three(camera), 2, rgb=True).psnr == pytest.approx(own.psnr + TILE)


def test_3_a_tinted_sr_of_a_grey_image_is_averaged_or_its_luma_taken(camera: np.ndarray) -> None:
    sr = three(imresize(imresize(camera, 0.5), 2)).astype(int)
    tinted = np.clip(sr + np.array([2, 0, -1]), 0, 255).astype(np.uint8)
    mean = np.floor(tinted.mean(axis=2) + 0.5).astype(np.uint8)
    tile = protocols({"tiled": {"grey": "tile"}})["tiled"]
    for hr in (camera, three(camera)):
        assert score(tinted, hr, 2) == score(mean, camera, 2)
        assert score(tinted, hr, 2, tile) == score(tinted, three(camera), 2, rgb=True)


@pytest.mark.mirror
def test_3_bridge_scores_the_same_and_is_recognised_in_any_packaging(mirror: Path, tmp_path: Path) -> None:
    bridge = images.read(mirror / "Set14" / "HR" / "bridge.png")
    for name, pack in PACKAGINGS.items():
        folder = tmp_path / name
        save(folder / "HR" / "bridge.png", pack(bridge))
        make_lr(folder / "HR", folder / "LR", 4)
        upscale_dir(folder / "LR", folder / "SR", "bicubic", 4)
        row = scoring.score_dirs(folder / "SR", folder / "HR", 4, PROTOCOLS["rgb8"])[0]
        psnr, ssim = row.values.values()
        assert (f"{psnr:.6f}", f"{ssim:.8f}") == ("23.145890", "0.54030206")  # results/published
        found = verify_dir(folder / "HR").rows[0]
        assert (found.status, found.image) == ("exact", "bridge")
        assert ("stored as three equal channels; taken as grey" in found.detail) == (name in ("three channels", "RGBA"))


@pytest.mark.mirror
def test_3_grey_images_that_are_published_as_rgb_keep_their_numbers(mirror: Path, tmp_path: Path) -> None:
    """Set14's man (and seven of Urban100) have three equal channels, and are scored on Y, packed as one channel too."""
    man = images.read(mirror / "Set14" / "HR" / "man.png")
    single = np.ascontiguousarray(man[..., 0])
    for name, image in {"rgb": man, "grey": single, "larger": np.pad(single, ((0, 1), (0, 0)))}.items():
        save(tmp_path / name / "HR" / "man.png", image)
        assert verify_dir(tmp_path / name / "HR").rows[0].status == ("larger" if name == "larger" else "exact")
    for name in ("rgb", "grey"):
        make_lr(tmp_path / name / "HR", tmp_path / name / "LR", 4)
        assert images.read(tmp_path / name / "LR" / "man.png").ndim == 3
        upscale_dir(tmp_path / name / "LR", tmp_path / name / "SR", "bicubic", 4)
        row = scoring.score_dirs(tmp_path / name / "SR", tmp_path / name / "HR", 4, PROTOCOLS["rgb8"])[0]
        psnr, ssim = row.values.values()
        assert (f"{psnr:.6f}", f"{ssim:.8f}") == ("25.695634", "0.67611783")  # results/published
    catalogue = recognise.Catalogue([registry.get("Set14")])
    assert np.array_equal(catalogue.match(single).pixels, man)  # type: ignore[arg-type]


@pytest.mark.mirror
def test_3_what_counts_as_grey_is_what_was_published(mirror: Path) -> None:
    for name in ("Set5", "Set14", "Urban100"):
        for file in images.list_images(mirror / name / "HR"):
            if name == "Urban100" and file.stem not in ("img_011", "img_028", "img_072", "img_001"):
                continue
            image = images.read(file)
            if image.ndim == 2 or grey.equal_channels(image):
                larger = np.pad(image, ((0, 3), (0, 5), (0, 0))[: image.ndim], "edge")  # some releases hold more
                parts = [image, larger, *(modcrop(image, scale) for scale in (2, 3, 4))]
                if name == "Urban100":
                    parts += [modcrop(imresize(image, 0.5), scale) for scale in (1, 2)]
                assert [grey.is_grey(part) for part in parts] == [image.ndim == 2] * len(parts), file


# 4. float SR of another range


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda x: x / 255, "from 0.0"),
        (lambda x: x / 127.5 - 1, "from -0.8"),
        (lambda x: x - 128, "from -1"),
        (lambda x: x * 257, "to 5"),
        (lambda x: x * 0, "from 0 to 0"),
        (lambda x: np.where(x > 200, np.inf, x), "not finite"),
        (lambda x: np.where(x > 200, np.nan, x), "not finite"),
    ],
)
def test_4_floats_of_another_range_are_refused(tmp_path: Path, photo: np.ndarray, change: Any, seen: str) -> None:
    images.write(tmp_path / "HR" / "a.png", photo)
    (tmp_path / "SR").mkdir()
    np.save(tmp_path / "SR" / "a.npy", change(photo.astype(np.float32)))
    with pytest.raises(SrgridError, match=seen):
        scoring.score_dirs(tmp_path / "SR", tmp_path / "HR", 2, PROTOCOLS["super-image"])


def test_4_dark_images_are_no_other_range(photo: np.ndarray) -> None:
    night = (photo // 64).astype(np.uint8)
    assert score(night.astype(np.float32) * 0.9, night, 2, "super-image").psnr > 40
    assert score(np.zeros(photo.shape), np.zeros(photo.shape, np.uint8), 2, "super-image").psnr == float("inf")


def test_4_images_and_arrays_in_one_folder_are_not_chosen_from(tmp_path: Path, photo: np.ndarray) -> None:
    images.write(tmp_path / "SR" / "a.png", photo)
    np.save(tmp_path / "SR" / "a.npy", photo.astype(np.float32))
    images.write(tmp_path / "HR" / "a.png", photo)
    with pytest.raises(SrgridError, match=r"float arrays \(\.npy\) and images"):
        scoring.score_dirs(tmp_path / "SR", tmp_path / "HR", 2, PROTOCOLS["super-image"])


# 7. bits a sample, by the format's own fields; one rule for files and PIL images


@pytest.mark.parametrize("width", [54, 55, 539, 720])
def test_7_no_16_in_a_header_is_taken_for_a_depth(tmp_path: Path, width: int) -> None:
    """A row of these widths has 164, 168, 1620 or 2160 bytes in a BMP; a TIFF's directory may lie anywhere."""
    image = np.random.default_rng(width).integers(0, 256, (3, width, 3), np.uint8)
    for extension in ("bmp", "tif", "ppm", "png"):
        assert np.array_equal(images.read(save(tmp_path / f"a.{extension}", image)), image)
    for columns in range(2, 54):
        part = np.ascontiguousarray(image[:, :columns])
        assert np.array_equal(images.read(save(tmp_path / "b.tif", part, compression="tiff_lzw")), part)


def _pnm(kind: bytes, image: np.ndarray, most: int) -> bytes:
    head = b"%s %d %d %d\n" % (kind, image.shape[1], image.shape[0], most)
    if kind in (b"P2", b"P3"):
        return head + " ".join(map(str, image.ravel())).encode() + b"\n"
    return head + image.astype(">u2" if most > 255 else np.uint8).tobytes()


def _planar_tiff(image: np.ndarray) -> bytes:
    """Uncompressed RGB, 16 bits a sample, one plane a channel."""
    height, width = image.shape[:2]
    size = height * width * 2
    fields = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, 8 + 10 * 12 + 6), (259, 3, 1, 1), (262, 3, 1, 2)]
    start = fields[2][3] + 6
    fields += [(273, 4, 3, start), (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 3, start + 12), (284, 3, 1, 2)]
    head = b"II*\0" + struct.pack("<IH", 8, len(fields)) + b"".join(struct.pack("<HHII", *field) for field in fields)
    head += bytes(4) + struct.pack("<HHH", 16, 16, 16)
    pixels = start + 24
    head += struct.pack("<III", *(pixels + i * size for i in range(3))) + struct.pack("<III", *[size] * 3)
    return head + (image.astype("<u2") * 257).transpose(2, 0, 1).tobytes()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ppm", lambda x: _pnm(b"P6", x.astype(int) * 257, 65535), "more than 8 bits"),
        ("a.ppm", lambda x: _pnm(b"P6", x.astype(int) * 4, 1023), "more than 8 bits"),
        ("a.ppm", lambda x: _pnm(b"P3", x.astype(int) * 4, 1023), "more than 8 bits"),
        ("a.pgm", lambda x: _pnm(b"P5", x[..., 0].astype(int) * 257, 65535), "more than 8 bits"),
        ("a.ppm", lambda x: _pnm(b"P6", x // 4, 100), "no exact 8-bit values"),
        ("a.tif", _planar_tiff, "more than 8 bits"),
    ],
)
def test_7_deeper_files_are_refused(tmp_path: Path, photo: np.ndarray, name: str, content: Any, words: str) -> None:
    (tmp_path / name).write_bytes(content(photo))
    with pytest.raises(SrgridError, match=words):
        images.read(tmp_path / name)


def test_7_fewer_bits_that_8_hold_exactly_are_taken(tmp_path: Path, photo: np.ndarray) -> None:
    (tmp_path / "a.ppm").write_bytes(_pnm(b"P3", photo // 16, 15))
    assert np.array_equal(images.read(tmp_path / "a.ppm"), photo // 16 * 17)


def test_7_pil_images_follow_the_rule_of_files(tmp_path: Path, photo: np.ndarray, camera: np.ndarray) -> None:
    from srgrid.models import build
    from srgrid.models.run import upscale_any, upscale_array

    model = build("rcan-bam-xs", 2)
    rgb, one = photo[:24, :24], camera[:24, :24]
    half = np.dstack([rgb, np.full(rgb.shape[:2], 128, np.uint8)])
    for image, words in [
        (Image.fromarray(one.astype(np.uint16) * 257), "more than 8 bits"),
        (Image.fromarray(one.astype(np.int32)), "more than 8 bits"),
        (Image.fromarray(one.astype(np.float32) / 255), "more than 8 bits"),
        (Image.fromarray(rgb).convert("CMYK"), "colour space CMYK"),
    ]:
        with pytest.raises(SrgridError, match=words):
            upscale_any(model, image)
    kept = np.asarray(upscale_any(model, Image.fromarray(half)))
    assert np.array_equal(kept[..., :3], upscale_array(model, rgb))
    assert (kept[..., 3] == 128).all()
    (tmp_path / "deep.ppm").write_bytes(_pnm(b"P6", rgb.astype(int) * 257, 65535))
    with Image.open(tmp_path / "deep.ppm") as deep, pytest.raises(SrgridError, match="more than 8 bits"):
        upscale_any(model, deep)
    for image, same in [(Image.fromarray(rgb).convert("RGBA"), rgb), (Image.fromarray(one).convert("LA"), one)]:
        assert np.array_equal(np.asarray(upscale_any(model, image)), upscale_array(model, same))
    turned = Image.open(save(tmp_path / "o.png", rgb[:, :16], exif=_exif(6)))
    assert upscale_any(model, turned).size == (48, 32)


# 8. EXIF orientation


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


TURNS = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
def test_8_every_format_is_turned_as_a_person_sees_it(tmp_path: Path, photo: np.ndarray, orientation: int) -> None:
    expected = TURNS[orientation](photo)
    for name, options in {"a.png": {}, "a.webp": {"lossless": True}, "a.tif": {}, "a.jpg": {"quality": 95}}.items():
        seen = images.read(save(tmp_path / name, photo, exif=_exif(orientation), **options))
        assert seen.shape == expected.shape
        assert np.abs(seen.astype(int) - expected).mean() < (3 if name == "a.jpg" else 1e-9)


# 9. files left out in silence, and damaged JPEGs


def test_9_what_a_folder_would_leave_out_is_named(tmp_path: Path, photo: np.ndarray) -> None:
    folder = tmp_path / "HR"
    save(folder / "a.png", photo)
    for name in ("b.gif", "c.jp2", "d.avif", "e.tga"):
        save(folder / name, photo)
    save(folder / "sub" / "g.png", photo)
    (folder / "noname").write_bytes((folder / "a.png").read_bytes())
    with pytest.raises(SrgridError) as caught:
        images.list_images(folder)
    for words in ("b.gif (gif", "c.jp2", "d.avif", "e.tga", "noname (a PNG image", "and 1 more"):
        assert words in str(caught.value)
    for name in ("b.gif", "c.jp2", "d.avif", "e.tga", "noname"):
        (folder / name).unlink()
    with pytest.raises(SrgridError, match=r"sub \(a subfolder that holds images\)"):
        images.list_images(folder)
    assert {row.file: row.status for row in verify_dir(folder).rows}.keys() == {"a.png", "sub/g.png"}


def test_9_jfif_is_jpeg_and_other_files_are_passed_over(tmp_path: Path, photo: np.ndarray) -> None:
    save(tmp_path / "a.jfif", photo, format="JPEG")
    for name in ("manifest.json", "notes.txt", ".hidden.gif"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "empty").mkdir()
    assert [file.name for file in images.list_images(tmp_path)] == ["a.jfif"]
    assert images.read(tmp_path / "a.jfif").shape == photo.shape


def test_9_verify_shows_images_that_it_cannot_read(tmp_path: Path, photo: np.ndarray) -> None:
    save(tmp_path / "a.png", photo)
    save(tmp_path / "b.gif", photo)
    assert {row.file: row.status for row in verify_dir(tmp_path).rows} == {"a.png": "unknown", "b.gif": "unreadable"}


def _jpeg(image: np.ndarray, **options: Any) -> bytes:
    target = io.BytesIO()
    Image.fromarray(image).save(target, "JPEG", **options)
    return target.getvalue()


@pytest.mark.parametrize(
    "options",
    [{}, {"subsampling": 0}, {"progressive": True}, {"restart_marker_blocks": 4}, {"restart_marker_rows": 1}],
)
@pytest.mark.parametrize("quality", [10, 75, 100])
def test_9_whole_jpegs_are_read_as_before(
    tmp_path: Path, photographs: dict[str, np.ndarray], options: dict[str, Any], quality: int
) -> None:
    for name, image in photographs.items():
        data = _jpeg(image[:203, :311], quality=quality, **options)
        (tmp_path / f"{name}.jpg").write_bytes(data + b"trailing bytes of a camera")
        with Image.open(io.BytesIO(data)) as plain:
            assert np.array_equal(images.read(tmp_path / f"{name}.jpg"), np.asarray(plain))


def _blank(data: bytes, at: int) -> bytes:
    return data[:at] + bytes(512) + data[at + 512 :]


def _scramble(data: bytes, at: int) -> bytes:
    return data[:at] + np.random.default_rng(at).bytes(512) + data[at + 512 :]


def _cut_out(data: bytes, at: int) -> bytes:
    return data[:at] + data[at + 2048 :]


@pytest.mark.parametrize("damage", [_blank, _scramble, _cut_out])
def test_9_damage_before_the_end_marker_is_seen(
    tmp_path: Path, photographs: dict[str, np.ndarray], damage: Any
) -> None:
    """Pillow reads all of these without a word."""
    data = _jpeg(photographs["astronaut"], quality=92)
    tries = range(5000, len(data) - 5000, (len(data) - 10000) // 20)
    messages = []
    for at in tries:
        (tmp_path / "a.jpg").write_bytes(damage(data, at))
        try:
            images.read(tmp_path / "a.jpg")
        except SrgridError as error:
            messages.append(str(error))
    assert len(messages) >= 0.9 * len(tries)
    assert all("damaged" in message or "truncated" in message for message in messages)


def test_9_lost_restart_markers_and_segments_are_seen(photographs: dict[str, np.ndarray]) -> None:
    data = _jpeg(photographs["coffee"], restart_marker_blocks=8)
    at = data.index(b"\xff\xd3", 1000)
    for damaged in (data[:at] + data[at + 2 :], data.replace(b"\xff\xdd", b"\xff\xfe", 1), data[:-2], data[:300]):
        with pytest.raises(ValueError, match=r"marker|segment"):
            jpeg.first_picture(damaged)


def test_9_training_sets_take_no_damaged_jpeg(tmp_path: Path, photographs: dict[str, np.ndarray]) -> None:
    from srgrid.data.pack import pack

    (tmp_path / "Own" / "HR").mkdir(parents=True)
    data = _jpeg(photographs["astronaut"], quality=92)
    (tmp_path / "Own" / "HR" / "a.jpg").write_bytes(_blank(data, len(data) // 2))
    with pytest.raises(SrgridError, match=r"a\.jpg: damaged"):
        pack([tmp_path / "Own" / "HR"], 2, tmp_path / "p.pack")
    with pytest.raises(SrgridError, match=r"a\.jpg: damaged"):
        fetch("Own", tmp_path / "out", tmp_path)


# 18. messages that say what it is


def test_18_too_many_pixels_is_no_truncation(tmp_path: Path) -> None:
    with pytest.raises(SrgridError, match="more than 178 million pixels") as caught:
        images.read(save(tmp_path / "big.png", Image.new("1", (20000, 9000))))
    assert "truncated" not in str(caught.value)


def test_18_composed_and_decomposed_names_match(tmp_path: Path, photo: np.ndarray) -> None:
    from srgrid.made import open_images
    from srgrid.report.sources import load_pair

    save(tmp_path / "HR" / "caf\u00e9.png", photo)
    save(tmp_path / "SR" / "cafe\u0301.png", photo)
    row = scoring.score_dirs(tmp_path / "SR", tmp_path / "HR", 2, PROTOCOLS["rgb8"])[0]
    assert (row.image, row.values["psnr"]) == ("caf\u00e9", float("inf"))
    shown = load_pair(open_images(tmp_path / "HR"), {"a": open_images(tmp_path / "SR")}, row.image)
    assert np.array_equal(shown[0], shown[1]["a"])
    fetch("Own", tmp_path / "out", _as_mirror(tmp_path, "SR"))
    assert (tmp_path / "out" / "caf\u00e9.png").is_file()
    save(tmp_path / "SR" / "caf\u00e9.png", photo)
    with pytest.raises(SrgridError, match="same name"):
        images.by_stem(images.list_images(tmp_path / "SR"))


def _as_mirror(root: Path, folder: str) -> Path:
    (root / "m" / "Own").mkdir(parents=True)
    (root / "m" / "Own" / "HR").symlink_to(root / folder)
    return root / "m"


def test_18_a_phones_mpo_gives_its_first_picture(tmp_path: Path, photo: np.ndarray) -> None:
    second = Image.fromarray(np.ascontiguousarray(photo[::-1]))
    save(tmp_path / "a.jpg", photo, format="MPO", save_all=True, append_images=[second], quality=90)
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.format == "MPO"
    save(tmp_path / "b.jpg", photo, quality=90)
    assert np.array_equal(images.read(tmp_path / "a.jpg"), images.read(tmp_path / "b.jpg"))


@pytest.mark.parametrize("step", ["upscale", "lr"])
def test_18_all_bad_images_of_a_folder_are_listed(tmp_path: Path, photo: np.ndarray, step: str) -> None:
    for name in "abcd":
        save(tmp_path / "in" / f"{name}.png", photo)
    for name in "bd":
        (tmp_path / "in" / f"{name}.png").write_bytes(b"torn")
    work = {"lr": make_lr, "upscale": partial(upscale_dir, model="a model that is not even there")}[step]
    with pytest.raises(SrgridError, match="2 images cannot be used") as caught:
        work(tmp_path / "in", tmp_path / "out", scale=2)
    assert "b.png" in str(caught.value)
    assert "d.png" in str(caught.value)


# 29. hostile files and names


def test_29_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    code = f"from srgrid import images; images.read({str(tmp_path / 'x.png')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert "a pipe or device, not an image" in done.stderr
    with pytest.raises(SrgridError, match=r"x\.png \(not a file"):
        images.list_images(tmp_path)


def test_29_no_other_decoder_sees_a_file(tmp_path: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    def run(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript was called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    for extension, words in {"eps": "it is PostScript", "gif": "it is GIF", "avif": "it is AVIF"}.items():
        file = save(tmp_path / f"a.{extension}", photo).rename(tmp_path / f"{extension}.png")
        with pytest.raises(SrgridError, match=words):
            images.read(file)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"a\rb.png", "control character"),
        (b"a\nb.png", "control character"),
        (b"\xff\xfe.png", "not UTF-8"),
        (b"x" * 246 + b".png", "has 250 bytes"),
    ],
)
def test_29_names_that_a_run_cannot_work_with_are_refused(
    tmp_path: Path, photo: np.ndarray, name: bytes, words: str
) -> None:
    save(tmp_path / "good.png", photo)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes((tmp_path / "good.png").read_bytes())
    with pytest.raises(SrgridError, match=words) as caught:
        images.list_images(tmp_path)
    assert str(caught.value).isprintable()
    str(caught.value).encode()


def test_29_no_name_in_a_table_is_a_formula(tmp_path: Path, photo: np.ndarray) -> None:
    for folder in ("SR", "HR"):
        save(tmp_path / folder / "=1+1.png", photo)
    with pytest.raises(SrgridError, match="=1"):
        scoring.score_dirs(tmp_path / "SR", tmp_path / "HR", 2, PROTOCOLS["rgb8"])
    with pytest.raises(SrgridError, match="=1"):
        fetch("Own", tmp_path / "out", _as_mirror(tmp_path, "HR"))


def test_29_an_array_smaller_than_its_header_says_is_not_allocated(tmp_path: Path) -> None:
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**9}, {10**6}), }}".ljust(117) + "\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(64))
    with pytest.raises(SrgridError, match="unreadable array"):
        images.load_array(tmp_path / "a.npy")


def test_29_reading_ends_in_an_image_or_a_message(tmp_path: Path, photo: np.ndarray) -> None:
    """Bytes changed at random, in every format; longer runs belong to tests/fuzz."""
    rng = np.random.default_rng(29)
    small = photo[:24, :32]
    for extension in ("png", "jpg", "bmp", "tif", "webp", "ppm"):
        whole = save(tmp_path / f"a.{extension}", small).read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            for at in rng.integers(0, min(len(whole), 400), 3):
                damaged[at] = rng.integers(256)
            (tmp_path / f"b.{extension}").write_bytes(damaged[: rng.integers(1, len(whole) + 1)])
            try:
                images.check(images.read(tmp_path / f"b.{extension}"))
            except SrgridError as error:
                assert str(tmp_path) in str(error)  # noqa: PT017
