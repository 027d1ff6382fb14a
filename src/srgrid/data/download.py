"""Download archives: resumable, retried, checked before use, and placed in a cache by rename.

pooch keeps the cache, compares checksums and places files; requests with urllib3's Retry does the transport.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from srgrid.data.archive import extract
from srgrid.data.registry import Dataset, Source
from srgrid.data.sources import Origin
from srgrid.errors import SrgridError
from srgrid.files import scratch_dir, trouble
from srgrid.lock import hold
from srgrid.progress import track

CHUNK = 1 << 16  # at most this much of a broken connection is lost
MIB = 1 << 20
HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Patience:
    """How long to wait and how often to try. Times in seconds."""

    connect: float = 10.0
    read: float = 60.0  # without a byte
    tries: int = 5  # in a row without a new byte
    backoff: float = 0.5  # doubled after each try


def cache_folder() -> Path:
    """Where archives are kept: SRGRID_CACHE, else the platform's cache folder."""
    import pooch

    return Path(os.environ.get("SRGRID_CACHE") or pooch.os_cache("srgrid"))


@contextmanager
def held_cache(name: str) -> Iterator[Path]:
    """The cache folder, made if need be, with NAME.lock in it held. Raises SrgridError if it cannot be written."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{name}.lock").open("a")
    except OSError as error:
        raise SrgridError(f"{trouble(error, folder)}; SRGRID_CACHE names another cache folder") from None
    with lock:
        hold(lock, wait=True)
        yield folder


def offline() -> bool:
    """Whether the user forbids downloads (HF_HUB_OFFLINE=1)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def archives(entry: Dataset, patience: Patience | None = None) -> Iterator[AbstractContextManager[Origin]]:
    """The set's archive sources in order; entering one downloads it and unpacks its images to a temporary folder."""
    for source in entry.sources:
        if source.kind == "archive":
            yield _opened(source, patience or Patience())


@contextmanager
def _opened(source: Source, patience: Patience) -> Iterator[Origin]:
    file = download(source, patience)
    with scratch_dir(file.parent) as room:
        try:
            files = extract(file, room, source.members)
            label, kind = f"{source.host} ({source.url})", f"archive {source.url}"
            yield Origin(label, kind, tuple(files), strict=False, unpacked=True)
        except Exception:
            if not source.checksum:  # nothing else says that the cached file is good: do not keep it
                file.unlink(missing_ok=True)
            raise


def download(source: Source, patience: Patience | None = None) -> Path:
    """The source's archive in the cache, downloaded if it is not there yet, its checksum compared.

    Raises SrgridError if downloads are forbidden, the host cannot be reached or sends something else.
    """
    import pooch

    name = _cache_name(source)
    pooch.get_logger().setLevel(logging.WARNING)
    with held_cache(name) as folder:  # two jobs may want one archive
        fetcher = Resumable(folder / f"{name}.part", patience or Patience(), bool(source.checksum), source.bytes)
        try:
            return _retrieve(source, name, folder, fetcher)
        except _WrongChecksumError:
            if fetcher.continued:  # the kept part may be to blame; it is gone now
                return _retrieve(source, name, folder, fetcher)
            raise


class _WrongChecksumError(SrgridError):
    """A whole download that is not the expected file."""


def _retrieve(source: Source, name: str, folder: Path, fetcher: Resumable) -> Path:
    import pooch

    known = source.checksum or None
    try:
        return Path(pooch.retrieve(hub_url(source.url), known, fname=name, path=folder, downloader=fetcher))
    except ValueError:  # pooch: the hash differs
        raise _WrongChecksumError(
            f"{source.host}: {source.url} is not the expected file (checksum differs); it was deleted"
        ) from None
    except OSError as error:
        raise SrgridError(f"{folder}: cannot keep the download ({error})") from None


def hub_url(url: str) -> str:
    """The URL at the Hugging Face endpoint that the user chose (HF_ENDPOINT)."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return endpoint + url.removeprefix(HUB) if endpoint and url.startswith(HUB + "/") else url


def _cache_name(source: Source) -> str:
    """The same archive from two hosts shares one place; archives without checksum are told apart by their URL."""
    key = source.checksum.partition(":")[2] or hashlib.sha256(source.url.encode()).hexdigest()
    return f"{key[:16]}-{re.sub(r'[^A-Za-z0-9._-]', '_', source.url.rsplit('/', 1)[-1])}"


class Resumable:
    """A downloader for pooch that goes on where a broken download stopped, in this process or a later one.

    What arrived is kept in `part`. It is continued only if the archive's checksum will be compared, or if the server
    confirms with an ETag that the file is still the same.
    """

    def __init__(self, part: Path, patience: Patience, checked: bool, size: int | None) -> None:
        self.part, self.patience, self.checked, self.size = part, patience, checked, size
        self.continued = False  # whether part of the last download came from an earlier run
        self.tag = part.with_name(part.name + ".etag")

    def __call__(self, url: str, output_file: str, _pooch: Any, check_only: bool = False) -> None:
        """Download `url` to `output_file`. Raises SrgridError if it cannot be had."""
        if offline():
            raise SrgridError(f"{url}: not downloaded, HF_HUB_OFFLINE is set")
        idle, most = 0, self._have()
        self.continued = most > 0
        while trouble := self._attempt(url):
            idle = 0 if self._have() > most else idle + 1
            most = max(most, self._have())
            if idle >= self.patience.tries:
                raise SrgridError(f"{url}: {trouble}; what arrived is kept, and a later run goes on from there")
            time.sleep(self.patience.backoff * 2**idle)
        self.part.replace(output_file)
        self.tag.unlink(missing_ok=True)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _etag(self) -> str:
        """The tag kept from an earlier reply; none if it is not one (a damaged file, or a weak tag)."""
        kept = self.tag.read_bytes() if self.tag.exists() else b""
        return kept.decode() if re.fullmatch(rb'"[!#-~]*"', kept) else ""

    def _attempt(self, url: str) -> str | None:
        """One request. None if the file is whole afterwards, else what went wrong on the way and may be retried."""
        import requests

        headers = {"Accept-Encoding": "identity"}
        etag = self._etag()
        if self._have() and (self.checked or etag):
            headers["Range"] = f"bytes={self._have()}-"
            if not self.checked:
                headers["If-Range"] = etag
        try:
            with (
                _session(self.patience) as session,
                session.get(
                    url, headers=headers, stream=True, timeout=(self.patience.connect, self.patience.read)
                ) as reply,
            ):
                return self._receive(reply, url)
        except (requests.exceptions.InvalidURL, requests.exceptions.TooManyRedirects) as error:
            raise SrgridError(f"{url}: {error}") from None
        except requests.exceptions.RequestException as error:
            if _never_answered(error):
                raise SrgridError(f"{url}: the host cannot be reached ({_reason(error)})") from None
            return f"the connection broke ({_reason(error)})"

    def _receive(self, reply: Any, url: str) -> str | None:
        start, total = self._position(reply, url)
        if start is None:
            return None if total == self._have() else "the server would not go on with the download"
        if total is not None:
            _check_room(self.part.parent, total - start, url)
        if not self.checked:
            etag = reply.headers.get("ETag", "")
            self.tag.write_text("" if etag.startswith("W/") else etag, "utf-8")
        steps = None if total is None else -(-(total - start) // MIB)
        with self.part.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            for _ in track(_stored(reply, file), f"download {url.rsplit('/', 1)[-1]} (MiB)", steps):
                pass
        if total is not None and self._have() < total:
            return f"the connection broke after {self._have()} of {total} bytes"
        return None

    def _position(self, reply: Any, url: str) -> tuple[int | None, int | None]:
        """Where the reply's bytes belong (None: nowhere, start over or done) and how many the whole file has."""
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", reply.headers.get("Content-Range", ""))
        total = int(span[2]) if span and span[2] != "*" else None
        if reply.status_code == 416:
            if total != self._have():
                self.part.unlink(missing_ok=True)
            return None, total
        if reply.status_code == 206 and span and span[1] is not None and int(span[1]) == self._have():
            return self._have(), total
        if reply.status_code != 200:
            self.part.unlink(missing_ok=True) if reply.status_code == 206 else None
            raise SrgridError(f"{url}: the server answered {reply.status_code} {reply.reason}")
        length = reply.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        if self.size is not None and total is not None and total != self.size:
            raise SrgridError(f"{url}: the server offers {total} bytes, not the expected {self.size}")
        return 0, total


def _stored(reply: Any, file: IO[bytes]) -> Iterator[None]:
    """Write a reply's body to a file, yielding after each MiB and at the end."""
    written = 0
    for chunk in reply.iter_content(CHUNK):
        written += file.write(chunk)
        if written >= MIB:
            written -= MIB
            yield
    if written:
        yield


def _session(patience: Patience) -> Any:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(
        total=patience.tries,
        connect=2,
        read=0,  # a broken body is continued above, not started again
        backoff_factor=patience.backoff,
        status_forcelist=(408, 429, 500, 502, 503, 504),
        raise_on_status=False,
    )
    session = requests.Session()
    session.headers["User-Agent"] = "srgrid"
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _never_answered(error: Exception) -> bool:
    """Whether no connection came about at all: no network, no such host, refused, by a proxy, or not trusted."""
    from urllib3 import exceptions

    never = (
        *(exceptions.NewConnectionError, exceptions.ConnectTimeoutError),
        *(exceptions.ProxyError, exceptions.SSLError),
    )
    cause = error.args[0] if error.args else None
    return isinstance(cause, exceptions.MaxRetryError) and isinstance(cause.reason, never)


def _reason(error: Exception) -> str:
    cause = error.args[0] if error.args else error
    text = str(getattr(cause, "reason", None) or cause)
    return re.sub(r"<[^>]*>:? ?|HTTPS?Connection(Pool)?\([^)]*\):? ?", "", text)[:200]


def _check_room(folder: Path, needed: int, url: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SrgridError(f"{url}: needs {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB are free")
