"""Base paths that are no directories of this machine: which addresses there are, and what each says of itself."""

import re
from dataclasses import dataclass

_FORM = re.compile(r"(?P<scheme>[a-z0-9]+)://(?P<rest>.*)", re.DOTALL)
_OBJECTS = ("s3", "gs", "gcs", "az", "abfs", "abfss")
_WEB = ("https", "http")
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")

EXPECTED = (
    "expected a directory of this machine, for instance a mounted one, or s3://BUCKET/PATH, gs://BUCKET/PATH, "
    "az://CONTAINER/PATH or https://HOST/PATH.tar.gz"
)


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """An address in an object store or on the web. As text it is without its query, which may hold a signature."""

    url: str

    @property
    def scheme(self) -> str:
        """In front of ``://``."""
        return self.url.partition("://")[0]

    @property
    def web(self) -> bool:
        """Whether it is a file of a web server, rather than a place in an object store."""
        return self.scheme in _WEB

    @property
    def archive(self) -> bool:
        """Whether it is one archive, and not a place with version directories."""
        return str(self).endswith(_ARCHIVES)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return str(self).rpartition("/")[2]

    @property
    def above(self) -> str:
        """What is in front of the last part of its path, with the slash; the bucket or the host at the shortest."""
        text = str(self).rstrip("/")
        scheme, _, rest = text.partition("://")
        return f"{scheme}://{rest.rpartition('/')[0] or rest}/"

    def __str__(self) -> str:
        return self.url.partition("?")[0] if self.web else self.url


def parse(text: str) -> StoreUrl | None:
    """What is meant by a base path that has a scheme; None for a scheme of which nothing is known here.

    Raises ValueError with what is wrong, such as a missing bucket, or a web page where an archive is expected.
    """
    found = _FORM.fullmatch(text)
    if found is None or found["scheme"] not in (*_OBJECTS, *_WEB):
        return None
    place, _, path = found["rest"].partition("?")[0].partition("/")
    if not place:
        raise ValueError(f"no {'host' if found['scheme'] in _WEB else 'bucket'} in it")
    if any(each in (".", "..") for each in path.split("/")) or any(not each.isprintable() for each in text):
        raise ValueError("a part of its path that no object has")
    url = StoreUrl(text if found["scheme"] in _WEB else text.rstrip("/"))
    if url.web and "@" in place:
        raise ValueError("a user or a password in it, which would be in every log")
    if url.web and not url.archive:
        raise ValueError(f"no archive; a web server lists no versions, so expected one of {', '.join(_ARCHIVES)}")
    return url
