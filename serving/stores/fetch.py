"""Fetching one bundle: its files side by side into the cache, each checked, then all of it published at once."""

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from serving.core.store_url import StoreUrl
from serving.errors import Code
from serving.stores import archive, checking
from serving.stores.cache import CachePlace
from serving.stores.values import Bundle, OnBytes, RemoteFile, Store, StoreError

_AT_ONCE = 4
"""Files that come at the same time: one connection seldom fills a line, and many small files wait for answers."""
_CONTENT = "content"


def fetch(
    store: Store, bundle: Bundle, url: StoreUrl, place: CachePlace, on_bytes: OnBytes, stopped: Callable[[], bool]
) -> Path:
    """Where the bundle, claimed by now, is in the cache. StoreError, and what has come stays for another attempt."""
    staging = place.staging(bundle.folder)
    try:
        staging.mkdir(exist_ok=True)
        here = sum(each.stat().st_size for each in staging.rglob("*") if each.is_file())
        place.check_room(bundle.size - min(here, bundle.size))
        _in_parallel(bundle.files, lambda file: _fetch_file(store, file, _below(staging, file.path), on_bytes))
        if bundle.version is None:
            return _unpacked(bundle, url, place, staging, stopped)
        _check_unchanged(store, bundle)
        return place.publish(bundle.folder)
    except OSError as error:
        raise StoreError(f"what is fetched cannot be written to {staging}: {error.strerror or error}") from error


def _unpacked(bundle: Bundle, url: StoreUrl, place: CachePlace, staging: Path, stopped: Callable[[], bool]) -> Path:
    packed, content = staging / bundle.files[0].path, staging / _CONTENT
    shutil.rmtree(content, ignore_errors=True)
    content.mkdir()
    try:
        archive.unpack(packed, url.name, content, shutil.disk_usage(staging).free, stopped)
        return place.publish(bundle.folder, archive.arranged(content))
    except StoreError:
        # As it stands another attempt would read the same bytes.
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _check_unchanged(store: Store, bundle: Bundle) -> None:
    """An upload in the midst of a fetch would leave files of two contents, each of them whole."""
    assert bundle.version is not None  # noqa: S101 - an archive is one file, and has no second content to mix with
    name = (store.versions() or {}).get(bundle.version)
    if name is None or store.bundle(bundle.version, name).fingerprint != bundle.fingerprint:
        raise StoreError(f"{bundle.named} was changed in the store while it was fetched", Code.ABORTED)


def _fetch_file(store: Store, file: RemoteFile, to: Path, on_bytes: OnBytes) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    there = to.stat().st_size if to.exists() else 0
    if file.size < 0 or there > file.size:
        to.unlink(missing_ok=True)
        there = 0
    on_bytes(there)
    if there != file.size or not file.size:
        store.read(file, to, on_bytes)
    wrong = checking.wrong(to, file)
    if wrong and (to.stat().st_size != file.size or store.vouches(file)):
        to.unlink(missing_ok=True)
        raise StoreError(f"{file.path} did not come whole: {wrong}", Code.DATA_LOSS)


def _below(directory: Path, path: str) -> Path:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts or not path.isprintable():
        raise StoreError(f"the store has a file {path!r}, which no directory can hold", Code.FAILED_PRECONDITION)
    return directory / parts


def _in_parallel(files: Sequence[RemoteFile], do: Callable[[RemoteFile], None]) -> None:
    """``do`` with each, largest first. The first error is raised when those that run have ended; no other is begun."""
    waiting = sorted(files, key=lambda file: file.size)
    errors: list[Exception] = []
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if errors or not waiting:
                    return
                file = waiting.pop()
            try:
                do(file)
            except Exception as error:  # noqa: BLE001 - raised again below, whatever it is
                with lock:
                    errors.append(error)

    # Not a pool: its threads would be waited for when the process ends.
    threads = [threading.Thread(target=work, name="store-read", daemon=True) for _ in range(min(_AT_ONCE, len(files)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
