"""An archive on a web server, by the standard library: one file, asked for again from where it was cut."""

import base64
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from serving.core.store_url import StoreUrl
from serving.errors import Code
from serving.stores.values import Bundle, Checksum, OnBytes, RemoteFile, StoreError

_BLOCK_BYTES = 1 << 20
_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.25
_NO_HEAD = frozenset({403, 405, 501})
"""What servers say to HEAD that answer GET, those with a signature for one method among them."""
_OF_ADDRESS = {401: Code.PERMISSION_DENIED, 403: Code.PERMISSION_DENIED, 404: Code.NOT_FOUND, 410: Code.NOT_FOUND}
_PARTIAL = 206
_CLIENTS_FAULT = range(400, 500)


class WebArchive:
    """The archive at an address. Between two pieces of an answer ``seconds`` may go by."""

    def __init__(self, url: StoreUrl, seconds: float) -> None:
        self._url = url
        self._seconds = seconds
        self.there: Sequence[str] = ()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        )

    def versions(self) -> Mapping[int, str] | None:
        """As ``Store`` says: it has one archive."""
        return None

    def bundle(self, version: int | None, name: str) -> Bundle:
        """As ``Store`` says."""
        try:
            headers = self._headers("HEAD")
        except urllib.error.HTTPError as error:
            if error.code not in _NO_HEAD:
                raise self._in_words(error) from error
            error.close()
            headers = self._headers_by_get()
        except (OSError, http.client.HTTPException) as error:
            raise self._in_words(error) from error
        token = headers.get("ETag") or headers.get("Last-Modified") or ""
        size = int(headers.get("Content-Length") or -1)
        file = RemoteFile(
            path=self._url.name,
            key=self._url.url,
            size=size,
            token=token,
            checksum=_checksum(headers),
            modified=_modified(headers),
        )
        return Bundle(version=None, files=(file,))

    def read(self, file: RemoteFile, to: Path, on_bytes: OnBytes) -> None:
        """As ``Store`` says."""
        pause, error = _FIRST_PAUSE_SECONDS, StoreError("it was not asked")
        for attempt in range(_ATTEMPTS):
            try:
                self._read_on(file, to, on_bytes)
                if file.size < 0 or to.stat().st_size >= file.size:
                    return
                error = StoreError(f"it was cut after {to.stat().st_size} of {file.size} bytes")
            except (urllib.error.URLError, OSError, http.client.HTTPException) as failed:
                error = self._in_words(failed)
                if isinstance(failed, urllib.error.HTTPError) and failed.code in _CLIENTS_FAULT:
                    break
            if attempt < _ATTEMPTS - 1:
                time.sleep(pause)
                pause *= 2
        raise error

    def vouches(self, file: RemoteFile) -> bool:
        """As ``Store`` says."""
        return True

    def _read_on(self, file: RemoteFile, to: Path, on_bytes: OnBytes) -> None:
        there = to.stat().st_size if to.exists() else 0
        more = {}
        if there and file.size >= 0 and file.token and not file.token.startswith("W/"):
            more = {"Range": f"bytes={there}-", "If-Range": file.token}
        with self._open("GET", more) as answer, to.open("ab" if answer.status == _PARTIAL else "wb") as out:
            while block := answer.read(_BLOCK_BYTES):
                out.write(block)
                on_bytes(len(block))

    def _headers(self, method: str) -> Mapping[str, str]:
        with self._open(method, {}) as answer:
            headers: Mapping[str, str] = answer.headers
            return headers

    def _headers_by_get(self) -> Mapping[str, str]:
        try:
            return self._headers("GET")
        except (OSError, http.client.HTTPException) as error:
            raise self._in_words(error) from error

    def _open(self, method: str, headers: Mapping[str, str]) -> Any:
        # Compressed on the way it would have another length than the file.
        more = {"Accept-Encoding": "identity", "User-Agent": "tensorflow-serving-appliance", **headers}
        request = urllib.request.Request(self._url.url, headers=more, method=method)  # noqa: S310 - http and https
        return self._opener.open(request, timeout=self._seconds)

    def _in_words(self, error: Exception) -> StoreError:
        if isinstance(error, urllib.error.HTTPError):
            with error:
                code = _OF_ADDRESS.get(error.code, Code.UNAVAILABLE)
                return StoreError(f"its server answers {error.code} {error.reason}", code)
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            return StoreError(f"it gave no answer within {self._seconds:g} s", Code.DEADLINE_EXCEEDED)
        return StoreError(str(getattr(reason, "strerror", "") or reason or type(error).__name__))


def _checksum(headers: Mapping[str, str]) -> Checksum | None:
    """That of the file as it is, by the headers that storage services have."""
    given = {"md5": headers.get("Content-MD5", "")}
    for part in (headers.get("x-goog-hash") or "").split(","):
        kind, _, value = part.strip().partition("=")
        given[kind] = value or given.get(kind, "")
    for kind in ("md5", "crc32c"):
        if given.get(kind):
            return Checksum(kind=kind, digest=base64.b64decode(given[kind]))
    return None


def _modified(headers: Mapping[str, str]) -> float:
    try:
        return parsedate_to_datetime(headers["Last-Modified"]).timestamp() if headers.get("Last-Modified") else 0.0
    except ValueError:
        return 0.0
