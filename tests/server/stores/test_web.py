"""Archives on a web server: fetched whole, on from where they were cut, and told apart from pages."""

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.core.store_url import StoreUrl
from serving.errors import Code
from serving.stores.values import StoreError
from serving.stores.web import WebArchive
from tests.server.stores.served import MODEL, Served


class Web:
    """A web server with one archive; each ``cuts`` is how many bytes of an answer are sent before its end."""

    def __init__(self) -> None:
        self.data = bytes(range(256)) * 4000
        self.cuts: list[int] = []
        self.status = 200
        self.no_head = False
        self.requests: list[tuple[str, str | None]] = []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                web.requests.append(("HEAD", None))
                self._head(405 if web.no_head else web.status, web.data)

            def do_GET(self) -> None:
                begin = self.headers.get("Range")
                web.requests.append(("GET", begin))
                at = int(begin.removeprefix("bytes=").removesuffix("-")) if begin else 0
                data = web.data[at:]
                self._head(206 if begin else web.status, data)
                sent = web.cuts.pop(0) if web.cuts else len(data)
                self.wfile.write(data[:sent])
                self.close_connection = True

            def _head(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("ETag", f'"{hashlib.md5(web.data).hexdigest()}"')
                self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # clients that go away in the midst of an answer are what is tried here

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/half.tar.gz"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    running = Web()
    yield running
    running.close()


def fetch(web: Web, to: Path) -> int:
    """The bytes that came."""
    store = WebArchive(StoreUrl(web.url), 5)
    came: list[int] = []
    store.read(store.bundle(None, "").files[0], to, came.append)
    return sum(came)


def test_an_archive_is_fetched(web: Web, tmp_path: Path) -> None:
    assert fetch(web, tmp_path / "m") == len(web.data)
    assert (tmp_path / "m").read_bytes() == web.data


def test_a_cut_goes_on_from_there(web: Web, tmp_path: Path) -> None:
    """What has come is not sent again."""
    web.cuts = [100_000, 200_000]
    assert fetch(web, tmp_path / "m") == len(web.data)
    assert (tmp_path / "m").read_bytes() == web.data
    assert web.requests == [("HEAD", None), ("GET", None), ("GET", "bytes=100000-"), ("GET", "bytes=300000-")]


def test_cuts_without_end_are_an_error(web: Web, tmp_path: Path) -> None:
    web.cuts = [0] * 9
    with pytest.raises(StoreError, match="it was cut after 0 of 1024000 bytes"):
        fetch(web, tmp_path / "m")


def test_a_server_without_head(web: Web, tmp_path: Path) -> None:
    """As addresses that are signed for one method are."""
    web.no_head = True
    assert fetch(web, tmp_path / "m") == len(web.data)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param(404, Code.NOT_FOUND, id="404"),
        pytest.param(403, Code.PERMISSION_DENIED, id="403"),
        pytest.param(500, Code.UNAVAILABLE, id="500"),
    ],
)
def test_statuses(web: Web, tmp_path: Path, status: int, code: Code) -> None:
    """The error has the status and no body."""
    web.status = status
    with pytest.raises(StoreError, match=f"its server answers {status}") as raised:
        fetch(web, tmp_path / "m")
    assert raised.value.code is code


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Connection refused"):
        WebArchive(StoreUrl("http://127.0.0.1:9/m.zip"), 5).bundle(None, "")


def test_an_archive_is_served(web: Web, tmp_path: Path) -> None:
    """A SavedModel packed as it is becomes version 1; the query of its address is in no line."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as packed:
        packed.add(MODEL, "half_plus_two")
    web.data, web.cuts = out.getvalue(), [1000]
    with Served(f"{web.url}?X-Amz-Signature=s3cret", tmp_path, {}) as server:
        assert server.answers()
        assert server.available() == {1}
        assert "s3cret" not in "".join(server.output)
