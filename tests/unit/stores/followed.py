"""A follower of a fake store with a clock moved by hand, and a manager of which a test says what it has loaded."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from serving.core.store_url import StoreUrl
from serving.core.version_policy import Latest, VersionPolicy
from serving.stores.cache import CachePlace
from serving.stores.follower import Follower, Following, InUse
from tests.unit.stores.fake_store import FakeStore

URL = StoreUrl("s3://b/m")
ARCHIVE = StoreUrl("https://h/m.tar.gz")


class Followed:
    """``loaded`` and ``managed`` are what the manager has; ``now`` is both clocks."""

    def __init__(
        self,
        cache: Path,
        store: FakeStore,
        policy: VersionPolicy | None = None,
        settle: float = 0.0,
        url: StoreUrl = URL,
        poll: float = 30.0,
    ) -> None:
        self.now = 1000.0
        self.store = store
        self.loaded: set[int] = set()
        self.leaving: set[int] = set()
        self.changes = 0
        self.place = CachePlace(cache, url)
        following = Following(name="m", url=url, policy=policy or Latest(), poll_seconds=poll, settle_seconds=settle)
        self.follower = Follower(
            following,
            self.place,
            lambda: store,
            InUse(lambda _: self.loaded | self.leaving | set(self.follower.aspired or ()), lambda _: self.loaded),
            self._note,
            clock=lambda: self.now,
            wall_clock=lambda: self.now,
        )

    def look(self) -> float | None:
        """Look once; what is aspired is loaded then, and what is not is unloaded."""
        pause = self.follower.look()
        self.loaded = set(self.follower.aspired or ())
        return pause

    @property
    def texts(self) -> dict[int, str]:
        """What is aspired, by the text of each version."""
        aspired = self.follower.aspired or {}
        return {version: (path / "saved_model.pb").read_text() for version, path in aspired.items()}

    def _note(self) -> None:
        self.changes += 1


def archive(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    """A tar archive of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as opened:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return out.getvalue()
