"""The files of the page, held in memory with what HTTP says of them; read when the page is first asked for."""

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_DIRECTORY = Path(__file__).parent / "page"
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


class PageFile(NamedTuple):
    """One file: its bytes, the same compressed by gzip, its media type, and a tag that its bytes alone have."""

    content: bytes
    compressed: bytes
    content_type: bytes
    tag: str


def page_files(directory: Path = _DIRECTORY) -> Mapping[str, PageFile]:
    """Those of the page by path below ``directory``, with / between its parts; others that lie there are left out."""
    found = {}
    for path in sorted(directory.rglob("*")):
        content_type = _TYPES.get(path.suffix)
        if content_type is not None and path.is_file():
            content = path.read_bytes()
            tag = hashlib.sha256(content).hexdigest()[:32]
            compressed = gzip.compress(content, mtime=0)
            found[path.relative_to(directory).as_posix()] = PageFile(content, compressed, content_type, tag)
    return found
