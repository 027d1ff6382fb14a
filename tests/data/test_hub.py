"""Data sets as Hugging Face tables, and as Parquet that plain `datasets` reads."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from srgrid import data, images
from srgrid.degrade import get_degradation
from srgrid.errors import SrgridError
from srgrid.resize import imresize, modcrop


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SRGRID_MIRROR", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SRGRID_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("scale", "kernel"), [(4, "matlab"), (3, "pillow")])
def test_a_row_is_name_hr_and_lr(photographs: dict[str, np.ndarray], scale: int, kernel: str) -> None:
    table = data.load("sample", scale, kernel)
    assert table.column_names == ["name", "hr", "lr"]
    assert table["name"][:] == ["astronaut", "camera", "chelsea", "coffee"]
    assert isinstance(table.features["lr"], datasets.Image)
    for row in table:
        hr = modcrop(photographs[row["name"]], scale)
        assert (np.asarray(row["hr"]) == hr).all()
        assert (np.asarray(row["lr"]) == get_degradation(kernel).shrink(hr, scale)).all()
        assert row["hr"].size == (scale * row["lr"].width, scale * row["lr"].height)


def test_the_table_is_kept_memory_mapped_and_made_once(tmp_path: Path) -> None:
    first = data.load("sample", 2)
    (file,) = (Path(entry["filename"]) for entry in first.cache_files)
    assert file.parent == tmp_path / "cache" / "tables"
    made = file.stat().st_mtime_ns, file.stat().st_ino
    again = data.load("sample", 2)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == made
    assert again.cache_files == first.cache_files
    assert not list(file.parent.glob(".*"))


def test_a_changed_image_makes_a_new_table(tmp_path: Path, photo_dir: Path) -> None:
    (tmp_path / "m/Mine").mkdir(parents=True)
    photo_dir.rename(tmp_path / "m/Mine/HR")
    before = data.load("Mine", 2, mirror=tmp_path / "m")
    images.write(tmp_path / "m/Mine/HR/coffee.png", np.full((96, 120, 3), 7, np.uint8))
    after = data.load("Mine", 2, mirror=tmp_path / "m")
    assert (np.asarray(after[3]["hr"]) == 7).all()
    assert not (np.asarray(before[3]["hr"]) == 7).all()


def test_a_damaged_cache_is_not_believed(tmp_path: Path) -> None:
    data.load("sample", 2)
    file = tmp_path / "cache/HR/sample/coffee.png"
    images.write(file, images.read(file)[::-1])
    with pytest.raises(SrgridError, match=r"coffee\.png: other pixels than when the folder was made; delete"):
        data.load("sample", 3)


def test_a_variants_lr_images_come_from_where_the_registry_says(tmp_path: Path, bench: Any) -> None:
    bench.mirror(tmp_path / "m")
    extra = {**bench.extra, "Photos-half": {**bench.extra["Photos-half"], "lr": {"of": "Photos", "times": 2}}}
    table = data.load("Photos-half", 2, mirror=tmp_path / "m", extra=extra)
    for row in table:
        original = modcrop(bench.originals[row["name"]], 4)
        assert (np.asarray(row["hr"]) == modcrop(imresize(original, 0.5), 2)).all()
        assert (np.asarray(row["lr"]) == imresize(original, 0.25)).all()


@pytest.mark.mirror
def test_lr_columns_are_matlabs(mirror: Path) -> None:
    for scale in (2, 3, 4):
        for row in data.load("Set5", scale, mirror=mirror):
            official = images.read(mirror / "Set5/LR_matlab" / f"x{scale}" / f"{row['name']}.png")
            assert (np.asarray(row["lr"]) == official).all()


def test_plain_datasets_reads_the_parquet_file(tmp_path: Path) -> None:
    file = data.export("sample", 4, tmp_path / "out")
    assert file == tmp_path / "out" / "sample_x4_matlab.parquet"
    code = (
        "import sys, datasets; d = datasets.load_dataset('parquet', data_files=sys.argv[1], split='train');"
        "row = d[1]; own = 'srgrid' in sys.modules;"
        "print(d.column_names, row['name'], row['hr'].size, row['lr'].size, row['lr'].mode, own)"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "['name', 'hr', 'lr'] camera (512, 512) (128, 128) L False"
    first = file.read_bytes()
    data.export("sample", 4, tmp_path / "out")
    assert file.read_bytes() == first


def test_five_crops_are_aligned() -> None:
    table = data.load("sample", 4)
    crops = table.map(data.augment_five_crop, batched=True, batch_size=2)
    assert len(crops) == 5 * len(table)
    whole, five = table[2], [crops[10 + i] for i in range(5)]
    assert [row["name"] for row in five] == [f"chelsea_{where}" for where in ("tl", "tr", "bl", "br", "c")]
    width, height = whole["lr"].width // 2, whole["lr"].height // 2
    right, bottom = whole["lr"].width - width, whole["lr"].height - height
    for row, (x, y) in zip(
        five, [(0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2)], strict=True
    ):
        assert (np.asarray(row["lr"]) == np.asarray(whole["lr"])[y : y + height, x : x + width]).all()
        hr = np.asarray(whole["hr"])[4 * y : 4 * (y + height), 4 * x : 4 * (x + width)]
        assert (np.asarray(row["hr"]) == hr).all()


def test_five_crops_keep_other_columns_and_refuse_pairs_that_do_not_fit() -> None:
    lr, hr = Image.new("RGB", (8, 6)), Image.new("RGB", (16, 12))
    made = data.augment_five_crop({"name": ["a"], "hr": [hr], "lr": [lr], "source": ["web"]})
    assert made["source"] == ["web"] * 5
    assert {crop.size for crop in made["hr"]} == {(8, 6)}
    with pytest.raises(SrgridError, match="a: HR 16x11 is not a multiple of LR 8x6"):
        data.augment_five_crop({"name": ["a"], "hr": [hr.crop((0, 0, 16, 11))], "lr": [lr]})


def test_unknown_choices_are_named() -> None:
    with pytest.raises(SrgridError, match="unknown kernel 'lanczos'"):
        data.load("sample", 4, "lanczos")
    with pytest.raises(SrgridError, match="scale must be a positive integer"):
        data.load("sample", 0)
    with pytest.raises(SrgridError, match="unknown data set"):
        data.load("Set55", 4)
    with pytest.raises(SrgridError, match="smaller than scale"):
        data.load("sample", 600)
