"""The table of readers: what each is fed (valid files made by the project's own writers), and how it is called."""

from __future__ import annotations

import functools
import io
import json
import random
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import mutate
import numpy as np
import torch
import yaml
from mutate import BYTES, TEXT, Mutator
from PIL import Image
from skimage import data as photographs

from srgrid import config, files, images, metrics, protocols, provenance, records, scoring
from srgrid.cost import Cost, Priced
from srgrid.data import archive, digests, registry, verify
from srgrid.data.hrpack import pack_hr
from srgrid.data.pack import Pack, pack
from srgrid.errors import SrgridError
from srgrid.models import Network, describe, load
from srgrid.models.rcan import Rcan
from srgrid.models.record import WeightsRecord
from srgrid.networks import RcanConfig
from srgrid.report import cardata, cells, curves, published
from srgrid.report.card import build_card
from srgrid.report.costs import cost_table, read_costs, write_costs
from srgrid.report.grid import collect
from srgrid.report.grid import grid as average
from srgrid.report.intervals import intervals
from srgrid.settings import Costs
from srgrid.train import checkpoint, log, recipe

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/report"))

import run_dir  # noqa: E402

TINY = RcanConfig(scale=2, groups=1, blocks=1, features=8, reduction=4)


@dataclass(frozen=True)
class Reader:
    """One reader of files.

    seeds: writes valid files into a folder, and returns those to damage. call: reads one of them. says: words one of
    which a message holds; empty: the file's name, or its folder's. same: the result is the one of the undamaged file,
    or refused. count: inputs in the ordinary run of the tests.
    """

    name: str
    seeds: Callable[[Path], list[Path]]
    kinds: tuple[Mutator, ...]
    call: Callable[[Path], Any]
    says: tuple[str, ...] = ()
    same: bool = False
    count: int = 60


def photo(side: int = 24) -> np.ndarray:
    return np.ascontiguousarray(photographs.astronaut()[60 : 60 + side, 100 : 100 + side + 8])


# Images and folders of images


def image_files(room: Path) -> list[Path]:
    rgb, grey = Image.fromarray(photo()), Image.fromarray(photo()[..., 1])
    made = {f"{kind}{end}": image for kind, image in (("rgb", rgb), ("grey", grey)) for end in images.EXTENSIONS}
    made |= {"palette.png": rgb.quantize(16), "alpha.png": rgb.convert("RGBA"), "la.png": grey.convert("LA")}
    made |= {"one.png": grey.convert("1"), "cmyk.jpg": rgb.convert("CMYK")}
    made |= {"deep.png": Image.fromarray(np.uint16(photo()[..., 0]) * 257)}
    for name, image in made.items():
        if name not in ("rgb.pgm", "grey.ppm"):
            image.save(room / name)
    rgb.save(room / "packed.tif", compression="tiff_lzw")
    rgb.save(room / "progressive.jpg", progressive=True)
    turned = Image.Exif()
    turned[274] = 6
    rgb.save(room / "turned.jpg", exif=turned)
    images.write(room / "ours.png", photo())
    return sorted(room.iterdir())


def read_image(file: Path) -> None:
    image = images.read(file)
    assert image.dtype == np.uint8
    assert image.ndim == 2 or image.shape[2] == 3
    images.check(image)


def float_images(room: Path) -> list[Path]:
    images.write(room / "HR/x.png", photo())
    (room / "SR").mkdir()
    np.save(room / "SR/x.npy", photo().astype(np.float32))
    return [room / "SR/x.npy"]


def score_float(file: Path) -> None:
    protocol = protocols.get_protocol("super-image", protocols.protocols())
    for row in scoring.score_dirs(file.parent, file.parents[1] / "HR", 2, protocol):
        assert row.values["ssim"] <= 1
        assert row.values["psnr"] >= 0


def made_folder(room: Path) -> list[Path]:
    images.write(room / "Photos/a.png", photo())
    images.write(room / "Photos/b.png", photo(32))
    made_by = {"step": "fetch", "dataset": "Photos", "origins": {"Photos": "mirror"}, "verified": False}
    files.write_manifest(room / "Photos", made_by, images.describe_folder(room / "Photos"))
    return [room / "Photos" / files.MANIFEST]


def read_manifest(file: Path) -> None:
    folder = file.parent
    assert isinstance(files.read_manifest(folder)["files"], dict)
    assert provenance.set_digest(folder)["sha256"]
    found = verify.verify_dir(folder, "Photos", threads=1)
    list(verify.lines(found))
    verify.require(found)


# Weights and training


def tiny(attention: str = "bam", **said: Any) -> Network:
    torch.manual_seed(1)
    config = replace(TINY, attention=attention)  # type: ignore[arg-type]
    return Network.of(Rcan(config), WeightsRecord("rcan", config, **said))


def our_weights(room: Path) -> list[Path]:
    made = {"recipe": recipe("demo").identity(), "data": {"sha256": "0" * 64, "images": 4}, "init": None, "steps": 3}
    tiny(name="tiny", provenance=made).save(room / "tiny_x2.safetensors")
    tiny("ca", name="half", provenance=made).save(room / "half_x2.safetensors", "fp16")
    return [room / "tiny_x2.safetensors", room / "half_x2.safetensors"]


def load_weights(file: Path) -> None:
    model = load(file, 2)
    assert all(torch.isfinite(value).all() for value in model.module.state_dict().values())
    describe(file)


def foreign_checkpoints(room: Path) -> list[Path]:
    for name, attention in (("super", "bam"), ("official", "ca")):
        state = tiny(attention).module.state_dict()
        torch.save(state, room / f"{name}.pt")
        torch.save({"params": state, "iter": 5}, room / f"{name}-wrapped.pt")
    return sorted(room.iterdir())


def other_tensors(rng: random.Random, data: bytes) -> bytes:
    """A sound checkpoint with a changed table: names, shapes, kinds of values, wrappings."""
    try:
        content = torch.load(io.BytesIO(data), weights_only=True)
    except Exception:  # an earlier mutation broke it
        return data
    state = next((table for table in (content, *_values(content)) if _is_state(table)), None)
    if state is None:
        return data
    name = rng.choice([name for name, value in state.items() if isinstance(value, torch.Tensor)])
    value = state.pop(name) if rng.random() < 0.7 else state[name]
    index = str(rng.choice((7, 10**6, 10**30)))
    new = rng.choice((name, str(name).replace("0", index), f"module.{name}", rng.choice(mutate.TEXTS), 5))
    tensors = (value.flatten(), value[:0], value.double(), value.to(torch.int8), value * float("nan"))
    tensors += (torch.zeros(1).expand(10**6, 10**4), torch.zeros((), dtype=torch.complex64))
    state[new] = rng.choice((value, *tensors, 5, None, [value]))
    out = io.BytesIO()
    torch.save(rng.choice((content, content, {"state_dict": content}, [content], state)), out)
    return out.getvalue()


def _values(content: Any) -> list[Any]:
    return list(content.values()) if isinstance(content, dict) else content if isinstance(content, list) else []


def _is_state(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(item, torch.Tensor) for item in value.values())


def load_foreign(file: Path) -> None:
    model = load(file, 2)
    assert all(torch.isfinite(value).all() for value in model.module.state_dict().values())


def hub_folder(room: Path) -> list[Path]:
    tiny().save_pretrained(room / "model")
    return [room / "model/config.json", room / "model/model.safetensors"]


def training_set(room: Path) -> list[Path]:
    images.write(room / "Set/HR/a.png", photo())
    images.write(room / "Set/HR/b.png", photo(32)[..., 0])
    pack([room / "Set/HR"], 2, room / "x2.srpack")
    return [room / "x2.srpack"]


def sharing_set(room: Path) -> list[Path]:
    """A pack, and the HR file that it shares."""
    training_set(room)
    pack_hr([room / "Set/HR"], room / "set.srhr")
    pack([room / "set.srhr"], 2, room / "x2.srpack")
    return [room / "x2.srpack", room / "set.srhr"]


def open_pack(file: Path) -> str:
    """What a training takes from a pack; equal only if every pixel and name is."""
    opened = Pack.open(file)
    seen = sha256(repr((opened.scale, len(opened))).encode())
    for name, hr, lr in opened.pairs():
        seen.update(repr((name, hr.shape, lr.shape)).encode() + hr.tobytes() + lr.tobytes())
    return seen.hexdigest()


def open_sharing(file: Path) -> str:
    return open_pack(file.with_name("x2.srpack"))


def training_state(room: Path) -> list[Path]:
    state = checkpoint.State(room, {"model": "tiny", "recipe": {"lr": 0.1}})
    state.claim()
    return [state.save({"step": 3, "psnr": None, "average": {"w": torch.arange(12.0)}, "losses": [0.5, 0.25]})]


def read_checkpoint(file: Path) -> str:
    content = checkpoint.read(file)
    if content is None:  # torn: the one before counts
        raise SrgridError(f"{file.name}: torn")
    return repr(sorted(content.items()))


def identity(room: Path) -> list[Path]:
    (room / "state").mkdir()
    training_state(room / "state")
    return [room / "state/identity.json"]


def claim(file: Path) -> None:
    """Another training's state is set aside, whatever its record holds; then all is put back for the next input."""
    state = checkpoint.State(file.parent, {"model": "tiny", "recipe": {"lr": 0.1}})
    state.claim()
    for moved in [path for aside in file.parent.glob("set-aside-*") for path in aside.iterdir()]:
        moved.replace(file.parent / moved.name)
    for aside in file.parent.glob("set-aside-*"):
        aside.rmdir()


def training_log(room: Path) -> list[Path]:
    made = log.Log(room, 0, tensorboard=False)
    for step in range(10, 60, 10):
        made.add(step, step * 0.1, loss=1 / step, lr=0.001)
    made.add(60, 6.1, psnr=28.5)
    made.close()
    return [room / "log.jsonl"]


def read_log(file: Path) -> None:
    curves.read_curve(file, "network_x2")
    log.read(file.parent)
    log.Log(file.parent, 30, tensorboard=False).close()


# Declarations: JSON here, so that a changed tree is always one that a YAML file could hold


def plain(name: str, value: Any) -> Callable[[Path], list[Path]]:
    def write(room: Path) -> list[Path]:
        (room / name).write_text(json.dumps(value))
        return [room / name]

    return write


def tree_of(file: Path) -> Any:
    value = json.loads(file.read_text())
    if not isinstance(value, dict):
        raise SrgridError(f"{file.name}: no mapping")  # as the command line and the workflow say
    return value


DATASETS = {
    "Street": {
        "images": 3,
        "use": "test",
        "names": {"format": "street_{:02d}", "first": 1},
        "digests": "street.csv",
        "scales": [2, 4],
        "aliases": ["Road"],
        "licence": "CC0",
        "citation": {"key": "a2020b", "text": "A et al. 2020"},
        "sources": [{"kind": "archive", "host": "ours", "url": "https://example.org/s.zip", "members": ["s/*.png"]}],
    },
    "Half": {
        **{"images": 3, "use": "test", "from": "Street"},
        **{"hr": [{"imresize": "1/2"}], "lr": {"of": "Street", "times": 2}},
    },
    "Both": {"images": 6, "use": "train", "parts": ["Street", "Half"]},
}
PROTOCOL = {
    "mine": {"base": "rgb8", "shave": 0, "luma": "bt601", "about": "x", "grey": "tile"},
    "own": {"base": "mine", "round_luma": True},
}
SETTINGS = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(recipe("default")).items()}


def define_datasets(file: Path) -> None:
    for entry in registry.load_registry(tree_of(file)).values():
        assert isinstance(entry.origin, str)
        assert all(isinstance(name, str) for name in entry.image_names)
        assert entry.images >= 1


def define_protocols(file: Path) -> None:
    other = np.clip(photo().astype(int) + 3, 0, 255).astype(np.uint8)
    for protocol in protocols.protocols(tree_of(file)).values():
        assert 0 < metrics.score(other, photo(), 2, protocol).psnr < 100


def check_config(file: Path) -> None:
    config.check(tree_of(file), ROOT / "workflow/schemas/config.schema.yaml")


def train_settings(file: Path) -> None:
    made = recipe("default", **tree_of(file))
    assert all(isinstance(name, str) for name in made.identity())
    budget = made.steps or made.minutes or made.epochs
    assert budget is not None
    assert 0 < budget < 1e12


# Files that travel with data sets


def digest_file(room: Path) -> list[Path]:
    rows = [row for k in (0, 8) for row in digests.digest_rows(f"img_{k}", f"orig_{k}", photo(24 + k))]
    digests.write_digests(room / "street.csv", rows)
    return [room / "street.csv"]


def read_digests(file: Path) -> None:
    for known in digests.read_digests(file).values():
        assert known.thumbprint.shape == (64,)
        assert len(known.sha256) == 64
        assert min(known.width, known.height, known.channels) > 0


def archives(room: Path) -> list[Path]:
    content = {}
    for name, side in (("set/a.png", 24), ("set/b.png", 40)):
        images.write(room / "x.png", photo(side))
        content[name] = (room / "x.png").read_bytes()
    (room / "x.png").unlink()
    kinds = {"store": zipfile.ZIP_STORED, "deflate": zipfile.ZIP_DEFLATED}
    kinds |= {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
    for name, how in kinds.items():
        with zipfile.ZipFile(room / f"{name}.zip", "w", how) as pack:
            for entry, raw in content.items():
                pack.writestr(entry, raw)
    for end in ("", ".gz", ".bz2", ".xz"):
        with tarfile.open(room / f"set.tar{end}", f"w:{end[1:]}") as pack:
            for entry, raw in content.items():
                info = tarfile.TarInfo(entry)
                info.size = len(raw)
                pack.addfile(info, io.BytesIO(raw))
    return sorted(room.iterdir())


def unpack(file: Path) -> None:
    """Unpacked images lie inside the folder."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        for path in archive.extract(file, Path(folder)):
            assert path.resolve().is_relative_to(Path(folder).resolve())


def checked_archives(room: Path) -> list[Path]:
    """Those that carry checksums."""
    return [file for file in archives(room) if file.name != "set.tar"]


def unpack_checked(file: Path) -> list[str]:
    """Digests of what an archive with checksums holds: those of the undamaged one, or it is refused."""
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        return sorted(sha256(path.read_bytes()).hexdigest() for path in archive.extract(file, Path(folder)))


# Tables and records of a run


@functools.cache
def run_folder(place: Path) -> Path:
    """A run of four photographs at one scale: tables, figures, previews, provenance, log."""
    return run_dir.make_run(place, scales=(2,))


def run_files(*patterns: str) -> Callable[[Path], list[Path]]:
    def make(room: Path) -> list[Path]:
        folder = shutil.copytree(run_folder(room.parent / "made"), room / "run")
        found = [file for pattern in patterns for file in sorted(folder.glob(pattern))]
        assert found
        return found

    return make


def sealed_tree(rng: random.Random, data: bytes) -> bytes:
    """A record with a changed tree and the digest of what it now says."""
    try:
        record = json.loads(mutate.json_tree(rng, data), parse_constant=str)
    except (ValueError, RecursionError):  # an earlier mutation broke it
        return data
    if not isinstance(record, dict) or record.pop("record_sha256", None) is None:
        return json.dumps(record).encode()
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile() as file:
        records.write_record(Path(file.name), str(record.get("kind")), record)
        out.write(Path(file.name).read_bytes())
    return out.getvalue()


def scored_cell(file: Path) -> str:
    """What the grid takes of a cell: that of the undamaged one, or refused."""
    scored = cells.read_cells([file.with_suffix(".csv")])
    cells.check_agreement(scored)
    return scored[0].scores.to_csv()


def any_cell(file: Path) -> None:
    scored_cell(file)
    cells.devices(cells.read_cells([file.with_suffix(".csv")]))


def gather(file: Path) -> None:
    """The tables as the card takes them, under records that say they are what they should be."""
    run_dir.record_tables(file.parent)
    run_dir.edit_record(file.parent / "provenance.json", lambda record: record["outputs"].clear())
    cardata.gather(file.parent)


def render(file: Path) -> None:
    build_card(next(parent for parent in file.parents if parent.name == "run"))


def table_of_costs(room: Path) -> list[Path]:
    """A row that is counted, and one that is measured."""
    size = {"counted_at": "320x180", "measured_at": "256x256", "repeats": 10, "memory_bytes": 1 << 20, "threads": 2}
    seconds = {"seconds": 0.125, "seconds_low": 0.1, "seconds_high": 0.15, "score": 7.389}
    network = Cost("net", 4, 5, 6, 7, device="a card", precision="fp32", torch="2", **size, **seconds)
    write_costs(room / "costs.csv", [Priced(Cost("bicubic", 4, 0, note="no network")), Priced(network)], Costs())
    return [room / "costs.csv"]


def costs_as_printed(file: Path) -> None:
    cost_table(read_costs(file))


def tables(file: Path) -> None:
    """scores.csv to grid.csv to intervals.csv."""
    average(file, file.with_name("again.csv"))
    intervals(file, file.with_name("again-intervals.csv"))
    for line in file.with_name("again.csv").read_text().splitlines()[1:]:
        psnr, ssim = map(float, line.split(",")[-3:-1])
        assert -1 <= ssim <= 1
        assert psnr >= 0


def published_file(room: Path) -> list[Path]:
    (room / "published.yaml").write_bytes(Path(published.__file__).with_name("published.yaml").read_bytes())
    return [room / "published.yaml"]


def read_published(file: Path) -> None:
    published.read_values(file)


# Names of files: the damaged file is a list of names, one a line


def names_of_files(room: Path) -> list[Path]:
    (room / "names").write_bytes(b"baby\nimg_001\nx 1\nA\n")
    return [room / "names"]


def hostile_names(file: Path) -> None:
    """A folder of images with such names is scored against itself, or refused."""
    room = file.parent / "named"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    one = room / "one.png"
    images.write(one, photo())
    try:
        for name in file.read_bytes().split(b"\n")[:6]:
            target = bytes(room) + b"/" + name.replace(b"/", b"").replace(b"\0", b"")[:240] + b".png"
            Path(target.decode(errors="surrogateescape")).write_bytes(one.read_bytes())
        rows = scoring.score_dirs(room, room, 2, protocols.get_protocol("rgb8", protocols.protocols()))
        scoring.write_rows(room / "scores.csv", rows, dataset="d", scale=2, method="bicubic", protocol="rgb8")
        collect([room / "scores.csv"], room / "all.csv")
        assert len((room / "all.csv").read_text().splitlines()) == 1 + len(rows)
    finally:
        shutil.rmtree(room, ignore_errors=True)


SAFETENSORS, SRPACK = mutate.framed_json(0), mutate.framed_json(8, 64, signed=True)
JSON = (*TEXT, mutate.json_tree, mutate.json_tree, mutate.json_tree, mutate.json_tree)
TREE = (mutate.json_tree,)

RECORDS = run_files("provenance.json", "tables.json", "figures/*.json", "previews/*/previews.json")
DEFAULTS = yaml.safe_load((ROOT / "config.yaml").read_text())

READERS = [
    Reader("image", image_files, (*BYTES, mutate.png_fields), read_image, count=600),
    Reader("float SR", float_images, (*BYTES, mutate.written_numbers), score_float, count=100),
    Reader("manifest", made_folder, JSON, read_manifest, ("Photos",), count=80),
    Reader("weights", our_weights, (*BYTES, *[SAFETENSORS] * 3), load_weights, count=80),
    Reader("foreign checkpoint", foreign_checkpoints, (*BYTES, *[other_tensors] * 3), load_foreign, count=60),
    Reader("hub folder", hub_folder, JSON, lambda file: load(str(file.parent), 2), ("model",), count=40),
    Reader("pack", training_set, BYTES, open_pack, same=True, count=200),
    Reader("pack with a right digest", training_set, (SRPACK,), open_pack, count=80),
    Reader("pack that shares HR", sharing_set, BYTES, open_sharing, same=True, count=100),
    Reader("pack that shares HR, with a right digest", sharing_set, (SRPACK,), open_sharing, count=80),
    Reader("training checkpoint", training_state, BYTES, read_checkpoint, same=True, count=150),
    Reader("training identity", identity, JSON, claim, count=80),
    Reader("training log", training_log, (*TEXT, mutate.json_tree), read_log, count=100),
    Reader("digests", digest_file, TEXT, read_digests, count=150),
    Reader(
        "data sets", plain("define_datasets", DATASETS), TREE, define_datasets, ("define_datasets", "digest"), count=40
    ),
    Reader("protocols", plain("define_protocols", PROTOCOL), TREE, define_protocols, ("protocol", "shaving"), count=50),
    Reader("config", plain("config", DEFAULTS), TREE, check_config, ("config",), count=30),
    Reader("training settings", plain("settings", SETTINGS), TREE, train_settings, ("training", "recipe"), count=200),
    Reader("archive", archives, (*BYTES, mutate.archive_names), unpack, count=150),
    Reader("archive with checksums", checked_archives, BYTES, unpack_checked, same=True, count=150),
    Reader("scored cell", run_files("scores/*/*"), (*TEXT, mutate.json_tree), scored_cell, same=True, count=60),
    Reader("record of a cell", run_files("scores/*/*.json"), (sealed_tree,), any_cell, count=30),
    Reader("scores", run_files("scores.csv"), TEXT, tables, ("scores",), count=8),
    Reader("tables of a run", run_files("scores.csv", "grid.csv", "intervals.csv"), TEXT, gather, (".csv",), count=30),
    Reader("records of a run", RECORDS, (*TEXT, *[sealed_tree] * 9), render, (".json", "preview", "grid.csv"), count=8),
    Reader("costs", table_of_costs, TEXT, costs_as_printed, ("costs",), count=150),
    Reader("published values", published_file, (*TEXT, mutate.yaml_tree), read_published, ("published",), count=40),
    Reader("names of files", names_of_files, TEXT, hostile_names, ("named",), count=20),
]
