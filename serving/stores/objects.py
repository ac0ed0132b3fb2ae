"""Object stores through fsspec's backends: what is listed and read there, with bounds on time, and errors in words.

The backends find credentials by themselves, in their own environment variables and files. fsspec runs what waits on a
thread of its own; every call here waits for that, never on the event loop of the server.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem, sync
from fsspec.core import url_to_fs

from serving.core.store_url import StoreUrl
from serving.errors import Code
from serving.sources.scan import version_number
from serving.stores import checking
from serving.stores.values import Bundle, Checksum, OnBytes, RemoteFile, StoreError

_CONNECT_SECONDS = 10
_CHUNK_BYTES, _LEAST_CHUNK_BYTES = 8 << 20, 64 << 10
_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_SHOWN = 300
_REFUSED = frozenset({401, 403})
_FINAL = frozenset({Code.PERMISSION_DENIED, Code.NOT_FOUND})


class ObjectStore:
    """A base path with version directories, or with one archive. An answer may take ``seconds``."""

    def __init__(self, url: StoreUrl, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        self.there: Sequence[str] = ()
        self._fs, self._root = self._opened()

    def versions(self) -> Mapping[int, str] | None:
        """As ``Store`` says. Files whose name is a number are none."""
        if self._url.archive:
            return None
        self._fs.invalidate_cache()
        found: dict[int, str] = {}
        listed = self._call(self._fs._ls, self._root, detail=True)
        children = sorted((each["name"].rstrip("/").rpartition("/")[2], each["type"]) for each in listed)
        self.there = [name for name, _ in children]
        for name, kind in children:
            number = version_number(name)
            if number is not None and kind == "directory":
                found[number] = name
        return found

    def bundle(self, version: int | None, name: str) -> Bundle:
        """As ``Store`` says; without a file if nothing but marks of directories is there."""
        if version is None:
            info = self._call(self._fs._info, self._root)
            return Bundle(version=None, files=(self._file(self._url.name, info),))
        self._fs.invalidate_cache()
        root = f"{self._root}/{name}"
        found = self._call(self._fs._find, root, detail=True)
        files = [
            self._file(key.removeprefix(f"{root}/"), info)
            for key, info in found.items()
            if info.get("type") == "file" and not key.endswith("/") and key != root
        ]
        return Bundle(version=version, files=tuple(files))

    def read(self, file: RemoteFile, to: Path, on_bytes: OnBytes) -> None:
        """As ``Store`` says, in ranges: what is cut or slow costs one of them, and is asked for in smaller ones."""
        chunk = _CHUNK_BYTES
        with to.open("ab") as out:
            at = out.tell()
            while at < file.size:
                data, chunk = self._range(file, at, chunk)
                out.write(data)
                at += len(data)
                on_bytes(len(data))

    def vouches(self, file: RemoteFile) -> bool:
        """As ``Store`` says: the ETag of what S3 encrypts with a key of its own looks like an MD5, and is none."""
        if self._url.scheme != "s3":
            return True
        bucket, key, _ = self._fs.split_path(file.key)
        head = self._call(self._fs._call_s3, "head_object", Bucket=bucket, Key=key)
        return not (str(head.get("ServerSideEncryption", "")).startswith("aws:kms") or head.get("SSECustomerAlgorithm"))

    def _range(self, file: RemoteFile, at: int, chunk: int) -> tuple[bytes, int]:
        """Some bytes from ``at`` on, and how many to ask for next."""
        pause, error = _FIRST_PAUSE_SECONDS, StoreError(f"{file.path} was not asked for")
        for attempt in range(_ATTEMPTS):
            end = min(at + chunk, file.size)
            try:
                data: bytes = self._call(self._fs._cat_file, file.key, start=at, end=end)
                if 0 < len(data) <= end - at:
                    return data, chunk
                error = StoreError(f"{file.path}: {len(data)} bytes came where {end - at} were asked for")
            except StoreError as failed:
                error = failed
            if error.code in _FINAL or attempt == _ATTEMPTS - 1:
                break
            chunk = max(chunk // 4, _LEAST_CHUNK_BYTES)
            time.sleep(pause)
            pause *= 2
        raise error

    def _file(self, path: str, info: Mapping[str, Any]) -> RemoteFile:
        checksum = _checksum(info)
        token = next((str(info[key]) for key in ("ETag", "etag", "generation") if info.get(key)), "")
        modified = _seconds(info)
        return RemoteFile(
            path=path,
            key=info["name"],
            size=int(info["size"]),
            token=token or (checksum.digest.hex() if checksum else str(modified)),
            checksum=checksum,
            modified=modified,
        )

    def _opened(self) -> tuple[AsyncFileSystem, str]:
        options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
        if self._url.scheme == "s3":
            waits = {"connect_timeout": _CONNECT_SECONDS, "read_timeout": self._seconds}
            options["config_kwargs"] = {**waits, "retries": {"mode": "standard", "max_attempts": 2}}
        if self._url.scheme in ("gs", "gcs"):
            # Not the class that the package registers: that one asks for the layout of each bucket first, by another
            # API with rights of its own.
            fs, root = self._explained(lambda: _google(self._url.url, **options))
        else:
            fs, root = self._explained(lambda: url_to_fs(self._url.url, **options))
        return fs, str(root).rstrip("/")

    def _call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return self._explained(
            lambda: sync(self._fs.loop, method, *arguments, timeout=self._seconds, **named),
        )

    def _explained(self, do: Callable[[], Any]) -> Any:
        try:
            return do()
        except Exception as error:
            raise _in_words(error, self._url, self._seconds) from error


def _google(url: str, **options: Any) -> tuple[AsyncFileSystem, str]:
    from gcsfs.core import GCSFileSystem

    fs = GCSFileSystem(**options)
    return fs, str(fs._strip_protocol(url))


def _in_words(error: Exception, url: StoreUrl, seconds: float) -> StoreError:
    status = next(
        (each for name in ("status_code", "code", "status") if isinstance(each := getattr(error, name, 0), int)), 0
    )
    said = (str(error).strip().splitlines() or [""])[0][:_LONGEST_SHOWN]
    if isinstance(error, FileNotFoundError) or status == 404:
        return StoreError(f"there is nothing at {url}", Code.NOT_FOUND)
    if isinstance(error, PermissionError) or status in _REFUSED or "credentials" in said:
        return StoreError(f"it refuses these credentials, or there are none: {said}", Code.PERMISSION_DENIED)
    if isinstance(error, TimeoutError):
        return StoreError(f"it gave no answer within {seconds:g} s", Code.DEADLINE_EXCEEDED)
    return StoreError(said or type(error).__name__)


def _checksum(info: Mapping[str, Any]) -> Checksum | None:
    """What the store says of the bytes: Google's MD5 or CRC32C, Azure's MD5, or S3's ETag where it is one."""
    from base64 import b64decode

    for key, kind in (("md5Hash", "md5"), ("crc32c", "crc32c")):
        if info.get(key):
            return Checksum(kind=kind, digest=b64decode(info[key]))
    settings = info.get("content_settings")
    given = settings.get("content_md5") if isinstance(settings, Mapping) else getattr(settings, "content_md5", None)
    if given:
        return Checksum(kind="md5", digest=bytes(given))
    return checking.of_hex(info["ETag"]) if info.get("ETag") else None


def _seconds(info: Mapping[str, Any]) -> float:
    found = next((info[key] for key in ("LastModified", "last_modified", "updated", "mtime") if info.get(key)), None)
    if isinstance(found, str):
        found = datetime.fromisoformat(found.replace("Z", "+00:00"))
    return found.timestamp() if isinstance(found, datetime) else 0.0
