"""Makes a key: random bits for whoever is to have it, and the entry that lets it in. The key is kept nowhere."""

import errno
import json
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from serving.access import key_file
from serving.access.keys import digest_of
from serving.errors import Code, ConfigurationError

PREFIX = "tfs_"
"""By which people, and programs that look for secrets in texts, know one."""

_KEY_BYTES = 32

_NO_PLACE_BESIDE = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))
"""Errors of a file that is mounted into a container alone: it can be written to, and its directory cannot. Where it
can, the file is a mount point, and busy."""


class Made(NamedTuple):
    """A new key, and its entry as one line of JSON."""

    key: str
    entry: str


def make_key(name: str, rights: str, models: str, path: str) -> Made:
    """A key for ``name``; ``rights`` and ``models`` are separated by commas, no models are all of them.

    Its entry is appended to the file at ``path``, unless that is empty. Raises ConfigurationError.
    """
    key = PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    entry: dict[str, Any] = {"name": name, "sha256": digest_of(key).hex(), "rights": _words(rights)}
    if models:
        entry["models"] = _words(models)
    key_file.parse(json.dumps([entry]).encode(), "--make_api_key")
    if path:
        _append(Path(path), entry)
    return Made(key, json.dumps(entry))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _append(path: Path, entry: dict[str, Any]) -> None:
    place = f"--api_keys_file={path}"
    try:
        content = path.read_bytes() if path.exists() else b""
        entries = key_file.parse_list(content, place) if content.strip() else []
        text = "[\n" + ",\n".join(f"  {json.dumps(each)}" for each in [*entries, entry]) + "\n]\n"
        key_file.parse(text.encode(), place)
        _write(path, text.encode())
    except OSError as error:
        raise ConfigurationError(Code.FAILED_PRECONDITION, f"{place}: {error.strerror or error}") from None


def _write(path: Path, content: bytes) -> None:
    """Replace a file whole, with the owner and the mode that it had; for itself alone if it is new."""
    target = path.resolve()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        if error.errno not in _NO_PLACE_BESIDE:
            raise
        target.write_bytes(content)
        return
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            _keep_owner(file.fileno(), target)
            file.flush()
            os.fsync(file.fileno())
        try:
            Path(name).replace(target)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            target.write_bytes(content)
    finally:
        Path(name).unlink(missing_ok=True)


def _keep_owner(descriptor: int, target: Path) -> None:
    with suppress(FileNotFoundError):
        former = target.stat()
        os.fchmod(descriptor, former.st_mode & 0o777)
        with suppress(PermissionError):
            os.fchown(descriptor, former.st_uid, former.st_gid)
