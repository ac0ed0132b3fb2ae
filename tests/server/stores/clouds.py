"""Real APIs of object stores as processes of this machine, and how to fill them: S3's, Google's, Azure's."""

import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.server_process import wait_until

BUCKET = "models"
_AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the account that every such emulator has, and that is printed in its manual."""


class Cloud(ABC):
    """A store's API on ``port``, with one bucket. ``environment`` is for a server that reaches it on another port."""

    scheme: str

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        command = self.command()
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until(f"{self.scheme} answers", self._is_up)
            self.make_bucket()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What starts it."""

    @abstractmethod
    def environment(self, port: int) -> Mapping[str, str]:
        """How the backend finds it, and its credentials."""

    @abstractmethod
    def make_bucket(self) -> None:
        """One for all tests."""

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Write an object."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object."""

    def url(self, path: str) -> str:
        """The address of a path in the bucket."""
        return f"{self.scheme}://{BUCKET}/{path}"

    def put_version(self, base: str, version: int, source: Path) -> list[str]:
        """Upload a version directory, the SavedModel's own file first; the keys."""
        keys = []
        for file in sorted(each for each in source.rglob("*") if each.is_file()):
            keys.append(f"{base}/{version}/{file.relative_to(source)}")
            self.put(keys[-1], file.read_bytes())
        return keys

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _is_up(self) -> bool:
        assert self._process.poll() is None, "the store's process has ended"
        with suppress(OSError):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
            except urllib.error.HTTPError as error:
                error.close()
            return True
        return False

    def request(self, method: str, target: str, data: bytes | None = None) -> None:
        """One HTTP request to it."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{target}", data=data, method=method)
        request.add_header("Content-Type", "application/octet-stream")
        request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request")
        urllib.request.urlopen(request, timeout=30).close()


class S3(Cloud):
    """moto's server."""

    scheme = "s3"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    def environment(self, port: int) -> Mapping[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }

    def make_bucket(self) -> None:
        self.request("PUT", f"/{BUCKET}")

    def put(self, key: str, data: bytes) -> None:
        self.request("PUT", f"/{BUCKET}/{key}", data)

    def delete(self, key: str) -> None:
        self.request("DELETE", f"/{BUCKET}/{key}")


class Google(Cloud):
    """gcp-storage-emulator."""

    scheme = "gs"

    def command(self) -> Sequence[str]:
        program = str(Path(sys.executable).parent / "gcp-storage-emulator")
        return [
            program,
            "start",
            "--host=127.0.0.1",
            f"--port={self.port}",
            "--in-memory",
            f"--default-bucket={BUCKET}",
        ]

    def environment(self, port: int) -> Mapping[str, str]:
        return {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}

    def make_bucket(self) -> None:
        pass

    def put(self, key: str, data: bytes) -> None:
        name = urllib.parse.quote(key, safe="")
        self.request("POST", f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}", data)

    def delete(self, key: str) -> None:
        self.request("DELETE", f"/storage/v1/b/{BUCKET}/o/{urllib.parse.quote(key, safe='')}")


class Azure(Cloud):
    """Azurite, which comes by npm; its requests are signed, so that Azure's own client fills it."""

    scheme = "az"

    def command(self) -> Sequence[str]:
        program = shutil.which("azurite-blob")
        if program is None:
            pytest.skip("no azurite-blob on this machine; npm install --prefix DIRECTORY azurite brings it")
        return [
            *(program, "--blobHost", "127.0.0.1", "--blobPort", str(self.port)),
            *("--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"),
        ]

    def environment(self, port: int) -> Mapping[str, str]:
        return {"AZURE_STORAGE_CONNECTION_STRING": self._connection_string(port)}

    def make_bucket(self) -> None:
        from azure.storage.blob import BlobServiceClient

        with BlobServiceClient.from_connection_string(self._connection_string(self.port)) as client:
            client.create_container(BUCKET)

    def put(self, key: str, data: bytes) -> None:
        from azure.storage.blob import BlobClient

        with BlobClient.from_connection_string(self._connection_string(self.port), BUCKET, key) as client:
            client.upload_blob(data, overwrite=True)

    def delete(self, key: str) -> None:
        from azure.storage.blob import BlobClient

        with BlobClient.from_connection_string(self._connection_string(self.port), BUCKET, key) as client:
            client.delete_blob()

    def _connection_string(self, port: int) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={_AZURE_KEY};"
            f"BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;"
        )


CLOUDS: Mapping[str, type[Cloud]] = {"s3": S3, "gs": Google, "az": Azure}
