"""Downloads from a real local HTTP server that does everything wrong that servers do."""

import hashlib
import io
import os
import socket
import struct
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from srgrid import images
from srgrid.data import digests, download, fetch
from srgrid.data.archive import Limits, extract
from srgrid.data.download import Patience
from srgrid.data.registry import Source
from srgrid.errors import SrgridError

QUICK = Patience(connect=2.0, read=0.5, tries=3, backoff=0.01)


@dataclass
class Host:
    """What the server serves: files, and for each path the faults of its next requests (then it behaves)."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    always: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)  # path, Range header
    etag: str = '"one"'

    def ranges(self) -> list[str]:
        return [span for _, span in self.seen]


class Handler(BaseHTTPRequestHandler):
    """Serves `host`'s files with Range and If-Range, or misbehaves."""

    host: Host

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        host, span = self.host, self.headers.get("Range", "")
        host.seen.append((self.path, span))
        queue = host.faults.get(self.path, [])
        fault = queue.pop(0) if queue else host.always.get(self.path, "")
        if self.path not in host.files or fault.isdigit():
            self.send_error(int(fault or 404))
            return
        body = host.files[self.path]
        if fault == "corrupt":
            body = body[:-200] + bytes([body[-200] ^ 0x55]) + body[-199:]
        start = 0
        if span and fault != "no-range" and self.headers.get("If-Range", host.etag) == host.etag:
            start = int(span.removeprefix("bytes=").rstrip("-"))
        if start and start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        if host.etag:
            self.send_header("ETag", host.etag)
        self.end_headers()
        self.send(body[start:], fault)

    def send(self, body: bytes, fault: str) -> None:
        if fault not in ("truncate", "stall", "drop"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if fault == "stall":
            time.sleep(2 * QUICK.read)
        if fault == "drop":  # a reset instead of an orderly end
            time.sleep(0.3)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"host": host}))
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield host
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("SRGRID_MIRROR", "HF_HUB_OFFLINE", "HF_ENDPOINT", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SRGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download, "Patience", lambda: QUICK)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def originals(photographs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(photographs[name][:397, :505]) for name in ("astronaut", "camera", "coffee")}


def png(image: np.ndarray, folder: Path) -> bytes:
    images.write(folder / "one.png", image)
    return (folder / "one.png").read_bytes()


def tar_of(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.fixture
def bench(originals: dict[str, np.ndarray], tmp_path: Path, host: Host) -> Callable[..., dict[str, Any]]:
    """Serves the photographs as /good.tar.gz and makes registry entries for a list of (path, checksum known?)."""
    files = {f"Photos_HR/{name}.png": png(image, tmp_path) for name, image in originals.items()}
    host.files["/good.tar.gz"] = tar_of({**files, "Photos_HR/readme.txt": b"hello"})
    rows = [row for name, image in originals.items() for row in digests.digest_rows(name, name, image)]
    digests.write_digests(tmp_path / "Photos.csv", rows)

    def entry(*sources: tuple[str, bool], **more: Any) -> dict[str, Any]:
        sha256 = hashlib.sha256(host.files["/good.tar.gz"]).hexdigest()
        made = [
            {"kind": "archive", "host": f"host {number}", "url": host.url + path, "members": ["Photos_HR/*"]}
            | ({"checksum": f"sha256:{sha256}"} if known else {})
            for number, (path, known) in enumerate(sources, start=1)
        ]
        names = list(originals)
        photos = {"images": 3, "use": "test", "names": names, "digests": str(tmp_path / "Photos.csv"), "sources": made}
        return {"Photos": {**photos, **more}}

    return entry


def assert_fetched(out: Path, originals: dict[str, np.ndarray]) -> None:
    got = {file.stem: images.read(file) for file in images.list_images(out)}
    assert list(got) == sorted(originals)
    assert all((got[name] == image).all() for name, image in originals.items())


def assert_nothing_left(tmp_path: Path, cache: Path) -> None:
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))
    assert not list(cache.glob(".unpack*"))
    assert not [file for file in cache.iterdir() if file.name.startswith("tmp")]


@pytest.mark.parametrize("known", [True, False])
def test_a_good_host(host: Host, bench: Any, originals: Any, tmp_path: Path, known: bool) -> None:
    fetch("Photos", tmp_path / "out", extra=bench(("/good.tar.gz", known)))
    assert_fetched(tmp_path / "out", originals)
    fetch("Photos", tmp_path / "out", extra=bench(("/good.tar.gz", known)))
    assert len(host.seen) == 1, "the second time the archive is in the cache"


@pytest.mark.parametrize("digests_known", [True, False])
def test_an_unpacked_image_goes_as_soon_as_it_is_taken(
    bench: Any, originals: Any, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, digests_known: bool
) -> None:
    """So a fetch takes the room of the archive and of the set, not of the set twice: of DIV2K 3.5 GB less."""
    held, write = [], images.write

    def watch(path: Path, image: np.ndarray) -> None:
        write(path, image)
        held.append(len(list(cache.rglob("scratch/**/*.png"))) + len(list(tmp_path.rglob("new/*.png"))))

    sets = bench(("/good.tar.gz", True))
    if not digests_known:
        del sets["Photos"]["digests"]
    monkeypatch.setattr("srgrid.data.take.images.write", watch)
    fetch("Photos", tmp_path / "out", extra=sets, threads=1)
    assert held == [len(originals) + 1] * len(originals)
    assert_fetched(tmp_path / "out", originals)
    assert_nothing_left(tmp_path / "other", cache)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("fault", ["truncate", "stall", "drop"])
def test_a_broken_download_goes_on_where_it_stopped(
    host: Host, bench: Any, originals: Any, tmp_path: Path, fault: str, known: bool
) -> None:
    host.faults["/good.tar.gz"] = [fault, fault]
    fetch("Photos", tmp_path / "out", extra=bench(("/good.tar.gz", known)))
    assert_fetched(tmp_path / "out", originals)
    starts = [int(span.removeprefix("bytes=").rstrip("-") or 0) for span in host.ranges()]
    assert starts[0] == 0 < starts[1] < starts[2], "each request asks for what is still missing"
    if fault != "drop":  # a reset may discard what the client had not read yet
        assert starts[1] > len(host.files["/good.tar.gz"]) // 2 - 2 * download.CHUNK


def test_a_later_run_goes_on_too(host: Host, bench: Any, originals: Any, tmp_path: Path, cache: Path) -> None:
    host.faults["/good.tar.gz"] = ["truncate"] + ["503"] * 50
    with pytest.raises(SrgridError, match="503"):
        fetch("Photos", tmp_path / "out", extra=bench(("/good.tar.gz", True)))
    assert_nothing_left(tmp_path, cache)
    host.faults.clear()
    host.seen.clear()
    fetch("Photos", tmp_path / "out", extra=bench(("/good.tar.gz", True)))
    half = len(host.files["/good.tar.gz"]) // 2
    assert host.ranges() == [f"bytes={half - half % download.CHUNK}-"]
    assert_fetched(tmp_path / "out", originals)
    assert not list(cache.glob("*.part"))


def test_a_server_without_ranges_starts_over(host: Host, bench: Any, originals: Any, tmp_path: Path) -> None:
    host.faults["/good.tar.gz"] = ["truncate", "no-range"]
    fetch("Photos", tmp_path / "out", extra=bench(("/good.tar.gz", True)))
    assert_fetched(tmp_path / "out", originals)


def test_a_file_that_changed_meanwhile_is_not_patched_together(
    host: Host, bench: Any, originals: Any, tmp_path: Path
) -> None:
    host.faults["/good.tar.gz"] = ["truncate"] + ["503"] * 50
    with pytest.raises(SrgridError):
        fetch("Photos", tmp_path / "out", extra=bench(("/good.tar.gz", False)))
    host.faults.clear()
    host.etag = '"two"'
    host.files["/good.tar.gz"] = tar_of(
        {f"Photos_HR/{n}.png": png(image, tmp_path) for n, image in reversed(originals.items())}
    )
    fetch("Photos", tmp_path / "out", extra=bench(("/good.tar.gz", False)))
    assert_fetched(tmp_path / "out", originals)


def test_a_kept_part_of_another_file_is_thrown_away(
    host: Host, bench: Any, originals: Any, tmp_path: Path, cache: Path
) -> None:
    extra = bench(("/good.tar.gz", True))
    host.faults["/good.tar.gz"] = ["truncate"] + ["503"] * 50
    with pytest.raises(SrgridError):
        fetch("Photos", tmp_path / "out", extra=extra)
    host.faults.clear()
    (part,) = cache.glob("*.part")
    part.write_bytes(b"x" * part.stat().st_size)
    fetch("Photos", tmp_path / "out", extra=extra)
    assert_fetched(tmp_path / "out", originals)
    (part.parent / part.name).write_bytes(b"y" * (len(host.files["/good.tar.gz"]) + 9))  # longer than the file
    next(file for file in cache.iterdir() if file.name == part.stem).unlink()
    fetch("Photos", tmp_path / "out", extra=extra)
    assert_fetched(tmp_path / "out", originals)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("fault", ["404", "403", "500", "corrupt", "truncate", "stall", "wrong"])
def test_the_next_source_is_tried(
    host: Host, bench: Any, originals: Any, tmp_path: Path, fault: str, known: bool
) -> None:
    host.files["/bad.tar.gz"] = b"<!DOCTYPE html>Please log in" if fault == "wrong" else host.files["/good.tar.gz"]
    host.always["/bad.tar.gz"] = "" if fault == "wrong" else fault
    extra = bench(("/bad.tar.gz", known), ("/good.tar.gz", known))
    if fault in ("truncate", "stall"):
        host.always["/bad.tar.gz"] = fault
        host.faults["/bad.tar.gz"] = [fault] + ["404"] * 50
    fetch("Photos", tmp_path / "out", extra=extra)
    assert_fetched(tmp_path / "out", originals)
    assert any(path == "/good.tar.gz" for path, _ in host.seen)


def test_a_refused_connection_is_no_reason_to_stop(host: Host, bench: Any, originals: Any, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    extra = bench(("/good.tar.gz", True))
    extra["Photos"]["sources"].insert(0, {"kind": "archive", "host": "gone", "url": f"http://127.0.0.1:{port}/x.zip"})
    fetch("Photos", tmp_path / "out", extra=extra)
    assert_fetched(tmp_path / "out", originals)


def test_when_no_source_is_left_each_ones_trouble_is_told(host: Host, bench: Any, tmp_path: Path, cache: Path) -> None:
    host.files["/bad.zip"] = b"<!DOCTYPE html>Please log in"
    host.files["/other.zip"] = zip_of({"Photos_HR/cat.png": png(np.zeros((30, 40, 3), np.uint8), tmp_path)})
    host.always["/good.tar.gz"] = "corrupt"
    sources = [("/missing.zip", False), ("/good.tar.gz", True), ("/bad.zip", False), ("/other.zip", False)]
    with pytest.raises(SrgridError) as caught:
        fetch("Photos", tmp_path / "out", extra=bench(*sources))
    assert caught.match(r"/missing\.zip: the server answered 404")
    assert caught.match(r"host 2: .*/good\.tar\.gz is not the expected file \(checksum differs\)")
    assert caught.match("neither a zip nor a tar archive; it begins with b'<!DOCTYPE html>Please log in'")
    assert caught.match(
        r"host 4 .* not the benchmark's images \(astronaut: missing; camera: missing; coffee: missing\)"
    )
    assert caught.match("Put its 3 HR images into MIRROR/Photos/HR/")
    assert_nothing_left(tmp_path, cache)
    assert not [file for file in cache.iterdir() if file.suffix in (".zip", ".gz")], "nothing bad is kept"


def test_a_damaged_cache_is_downloaded_again(
    host: Host, bench: Any, originals: Any, tmp_path: Path, cache: Path
) -> None:
    extra = bench(("/good.tar.gz", True))
    fetch("Photos", tmp_path / "out", extra=extra)
    (kept,) = cache.glob("*.gz")
    kept.write_bytes(kept.read_bytes()[:-1000])
    fetch("Photos", tmp_path / "out", extra=extra)
    assert_fetched(tmp_path / "out", originals)
    assert len(host.seen) == 2


def test_one_archive_serves_two_jobs_at_once(host: Host, bench: Any, originals: Any, tmp_path: Path) -> None:
    extra = bench(("/good.tar.gz", True))
    jobs = [
        threading.Thread(target=fetch, args=("Photos", tmp_path / f"out{n}"), kwargs={"extra": extra}) for n in range(3)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    for n in range(3):
        assert_fetched(tmp_path / f"out{n}", originals)
    assert len(host.seen) == 1


def test_the_announced_size_must_be_right(host: Host, bench: Any, tmp_path: Path) -> None:
    extra = bench(("/good.tar.gz", True))
    extra["Photos"]["sources"][0]["bytes"] = 12345
    with pytest.raises(SrgridError, match="not the expected 12345"):
        fetch("Photos", tmp_path / "out", extra=extra)


def test_a_full_disk_is_noticed_before_the_download(
    host: Host, bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SrgridError, match=r"needs 0\.\d GB in .*, where 0\.0 GB are free"):
        fetch("Photos", tmp_path / "out", extra=bench(("/good.tar.gz", True)))


def test_offline_uses_the_cache_and_nothing_else(
    host: Host, bench: Any, originals: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = bench(("/good.tar.gz", True))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SrgridError, match="HF_HUB_OFFLINE is set\nPut its 3 HR images into"):
        fetch("Photos", tmp_path / "out", extra=extra)
    assert host.seen == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    fetch("Photos", tmp_path / "out", extra=extra)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    fetch("Photos", tmp_path / "out", extra=extra)
    assert_fetched(tmp_path / "out", originals)
    assert len(host.seen) == 1


def test_another_hub_endpoint(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/datasets/eugenesiow/Set5/resolve/main/data/Set5_HR.tar.gz"
    host.files[path] = tar_of({"Set5_HR/baby.png": b"x"})
    monkeypatch.setenv("HF_ENDPOINT", host.url + "/")
    got = download.download(Source("archive", host="Hub", url=f"https://huggingface.co{path}"), QUICK)
    assert got.read_bytes() == host.files[path]
    assert [seen for seen, _ in host.seen] == [path]


def test_a_mirror_comes_first(host: Host, bench: Any, originals: Any, tmp_path: Path) -> None:
    for name, image in originals.items():
        images.write(tmp_path / "m/Photos/HR" / f"{name}.png", image)
    fetch("Photos", tmp_path / "out", tmp_path / "m", extra=bench(("/good.tar.gz", True)))
    assert host.seen == []
    (tmp_path / "empty").mkdir()
    fetch("Photos", tmp_path / "out", tmp_path / "empty", extra=bench(("/good.tar.gz", True)))
    assert len(host.seen) == 1


def link(name: str, target: str, kind: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        archive.addfile(info)
    return packed.getvalue()


def zip_link(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return packed.getvalue()


def torn_zip() -> bytes:
    content = bytearray(zip_of({"a.png": os.urandom(5000)}))
    content[2000] ^= 0xFF
    return bytes(content)


EVIL = {
    "up": (tar_of({"../../evil.png": b"x"}), "points outside"),
    "up, hidden": (tar_of({"a/../../evil.png": b"x"}), "points outside"),
    "absolute": (tar_of({"/tmp/evil.png": b"x"}), "points outside"),
    "up in zip": (zip_of({"../evil.png": b"x"}), "points outside"),
    "drive": (tar_of({"C:/evil.png": b"x"}), "points outside"),
    "backslash": (tar_of({"..\\evil.png": b"x"}), "points outside"),
    "symbolic link": (link("a.png", "/etc/passwd", tarfile.SYMTYPE), "link or device"),
    "hard link": (link("a.png", "/etc/passwd", tarfile.LNKTYPE), "link or device"),
    "device": (link("a.png", "", tarfile.CHRTYPE), "link or device"),
    "link in zip": (zip_link("a.png"), "link or device"),
    "twice": (tar_of({"a.png": b"x", "A.png": b"y"}), "twice"),
    "no images": (tar_of({"a.txt": b"x", ".b.png": b"x", "__MACOSX/c.png": b"x"}), "holds no images"),
    "torn gzip": (tar_of({"a.png": os.urandom(200_000)})[:-50_000], "damaged archive"),
    "torn tar": (tar_of({"a.png": os.urandom(200_000)}, "w")[:50_000], "damaged archive"),
    "torn zip": (zip_of({"a.png": os.urandom(200_000)})[:-1000], "neither a zip nor a tar"),
    "flipped zip": (torn_zip(), "damaged archive"),
    "not an archive": (b"hello", "neither a zip nor a tar"),
    "empty": (b"", "neither a zip nor a tar"),
}


@pytest.mark.parametrize("name", EVIL)
def test_nothing_in_an_archive_is_trusted(tmp_path: Path, name: str) -> None:
    content, message = EVIL[name]
    (tmp_path / "evil.archive").write_bytes(content)
    room = tmp_path / "deep" / "room"
    room.mkdir(parents=True)
    with pytest.raises(SrgridError, match=rf"evil\.archive: .*{message}"):
        extract(tmp_path / "evil.archive", room)
    outside = {file.name for file in tmp_path.rglob("*") if file.is_file() and room not in file.parents}
    assert outside == {"evil.archive"}
    assert not any(file.is_symlink() for file in room.rglob("*"))


@pytest.mark.parametrize("pack", [tar_of, zip_of])
@pytest.mark.parametrize("limits", [Limits(entries=2), Limits(total=2500), Limits(one=999)])
def test_an_archive_has_limits(tmp_path: Path, pack: Any, limits: Limits) -> None:
    (tmp_path / "big").write_bytes(pack({f"{n}.png": bytes(1000) for n in range(3)}))
    (tmp_path / "room").mkdir()
    with pytest.raises(SrgridError, match="more or larger files"):
        extract(tmp_path / "big", tmp_path / "room", (), limits)


@pytest.mark.parametrize(
    "pack", [tar_of, zip_of, lambda files: tar_of(files, "w"), lambda files: tar_of(files, "w:xz")]
)
def test_only_the_wanted_images_are_unpacked(tmp_path: Path, pack: Any) -> None:
    wanted = {"./HR/a.png": b"1", "HR/b.PNG": b"2"}
    (tmp_path / "pack").write_bytes(pack({**wanted, "LR/a.png": b"3", "HR/c.txt": b"4", "HR/._a.png": b"5"}))
    (tmp_path / "room").mkdir()
    files = extract(tmp_path / "pack", tmp_path / "room", ("HR/*",))
    assert {str(file.relative_to(tmp_path / "room")): file.read_bytes() for file in files} == {
        "HR/a.png": b"1",
        "HR/b.PNG": b"2",
    }
    assert sorted(file for file in (tmp_path / "room").rglob("*") if file.is_file()) == sorted(files)
