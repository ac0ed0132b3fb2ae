"""The cache with several users: one fetches, nobody removes what another serves, and a dead process holds nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.core.store_url import StoreUrl
from serving.stores.cache import CachePlace, Claim, place_name
from serving.stores.values import StoreError
from tests.unit.stores.fake_store import FakeStore, model
from tests.unit.stores.followed import URL, Followed

HOLD = """
import sys, time
from pathlib import Path
from serving.core.store_url import StoreUrl
from serving.stores.cache import CachePlace
place = CachePlace(Path(sys.argv[1]), StoreUrl(sys.argv[2]))
place.make()
print(place.claim("1-a").name, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def places(tmp_path: Path) -> list[CachePlace]:
    """Two users of one directory."""
    made = [CachePlace(tmp_path, URL), CachePlace(tmp_path, URL)]
    for each in made:
        each.make()
    return made


def publish(place: CachePlace, folder: str) -> None:
    assert place.claim(folder) is Claim.OURS
    place.staging(folder).mkdir()
    (place.staging(folder) / "saved_model.pb").write_text("whole")
    place.publish(folder)


def test_one_fetches_and_both_use(places: list[CachePlace]) -> None:
    """While one fetches the other is told to wait; then both hold it."""
    one, other = places
    assert one.claim("1-a") is Claim.OURS
    assert other.claim("1-a") is Claim.BUSY
    publish(one, "1-a")
    assert other.claim("1-a") is Claim.READY


def test_nobody_removes_what_another_uses(places: list[CachePlace]) -> None:
    """The last one who lets go of it removes it."""
    one, other = places
    publish(one, "1-a")
    assert other.claim("1-a") is Claim.READY
    assert not one.remove("1-a")
    assert other.path("1-a").is_dir()
    assert other.remove("1-a")
    assert sorted(each.name for each in one.directory.iterdir()) == ["url"]


def test_a_sweep_leaves_what_is_kept_and_what_others_fetch(places: list[CachePlace]) -> None:
    """What a process that died has begun is removed as well."""
    one, other = places
    publish(one, "1-a")
    publish(one, "2-b")
    assert other.claim("3-c") is Claim.OURS
    other.staging("3-c").mkdir()
    one.staging("4-d").mkdir()
    assert one.sweep({"2-b"}) == ["1-a"]
    assert one.published() == ["2-b"]
    assert other.staging("3-c").is_dir()
    assert not one.staging("4-d").exists()


def test_a_removed_bundle_can_be_fetched_again(places: list[CachePlace]) -> None:
    """By whoever comes first, though the lock file is another one by then."""
    one, other = places
    publish(one, "1-a")
    assert one.remove("1-a")
    publish(other, "1-a")
    assert one.claim("1-a") is Claim.READY


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    """The system takes its locks away; what it has begun is taken over."""
    command = [sys.executable, "-c", HOLD, str(tmp_path), URL.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "OURS\n"
        place = CachePlace(tmp_path, URL)
        assert place.claim("1-a") is Claim.BUSY
        process.kill()
        process.wait()
        assert place.claim("1-a") is Claim.OURS


def test_two_servers_fetch_once(tmp_path: Path) -> None:
    """The second waits for the first, and finds all of it."""
    store = FakeStore({1: model("one")})
    first, second = Followed(tmp_path, store), Followed(tmp_path, store)
    waits: list[float | None] = []
    store.on_read = lambda file: waits.append(second.look())
    first.look()
    assert waits == [1.0, 1.0]
    assert second.follower.aspired is None
    second.look()
    assert second.texts == first.texts == {1: "one"}
    assert len(store.reads) == 2


def test_places_are_readable_and_different() -> None:
    """A name has the address in it, and a hash of all of it."""
    one, other = place_name(StoreUrl("https://h/m.zip?a=1")), place_name(StoreUrl("https://h/m.zip?a=2"))
    assert one.startswith("https-h-m.zip-")
    assert one != other


def test_a_directory_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    """What is there could be anybody's model. The one above may be: that of a pod's empty volume is."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    place = CachePlace(shared, URL)
    place.make()
    place.directory.chmod(0o770)
    with pytest.raises(StoreError, match="others may write to it"):
        place.make()


def test_a_cache_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """With the flag's name, and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"--model_cache_dir=.* cannot be written to \("):
        CachePlace(tmp_path / "file" / "cache", URL).make()


def test_it_is_for_this_user_alone(places: list[CachePlace]) -> None:
    assert places[0].directory.stat().st_mode & 0o077 == 0
    assert places[0].directory.stat().st_uid == os.geteuid()
