"""What becomes of a model whose store behaves, and misbehaves: what serves stays as it was, whatever happens."""

import logging
from pathlib import Path

import pytest

from serving.core.version_policy import All, Latest, Specific
from serving.errors import Code
from serving.stores.cache import place_name
from serving.stores.values import StoreError
from tests.unit.stores.fake_store import FakeStore, model
from tests.unit.stores.followed import ARCHIVE, URL, Followed, archive

DOWN = StoreError("it is down")


def test_the_latest_version_is_fetched_and_aspired(tmp_path: Path) -> None:
    """Only what the policy wants is fetched."""
    followed = Followed(tmp_path, FakeStore({1: model("one"), 2: model("two")}))
    assert followed.look() == 30.0
    assert followed.texts == {2: "two"}
    assert sorted(followed.store.reads) == ["saved_model.pb", "variables/variables.index"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(All(), {1: "one", 2: "two", 3: "three"}, id="all"),
        pytest.param(Latest(num_versions=2), {2: "two", 3: "three"}, id="two latest"),
        pytest.param(Specific(versions=frozenset({1, 9})), {1: "one"}, id="specific"),
    ],
)
def test_policies(tmp_path: Path, policy: All | Latest | Specific, expected: dict[int, str]) -> None:
    """Policies mean what they mean for directories."""
    followed = Followed(tmp_path, FakeStore({1: model("one"), 2: model("two"), 3: model("three")}), policy)
    followed.look()
    assert followed.texts == expected


def test_nothing_is_fetched_twice(tmp_path: Path) -> None:
    """A second look, and another start, find what is in the cache."""
    store = FakeStore({1: model("one")})
    followed = Followed(tmp_path, store)
    followed.look()
    followed.look()
    followed.follower.close()
    again = Followed(tmp_path, store)
    again.look()
    assert again.texts == {1: "one"}
    assert len(store.reads) == 2


def test_a_new_version_replaces_the_old_one_once_it_is_whole(tmp_path: Path) -> None:
    """While it is fetched the old one is aspired; the old one leaves the cache when nothing has it any more."""
    followed = Followed(tmp_path, FakeStore({1: model("one")}))
    followed.look()
    followed.store.content[2] = model("two")
    during: list[dict[int, str]] = []
    followed.store.on_read = lambda file: during.append(followed.texts)
    followed.follower.look()
    assert during == [{1: "one"}] * 2
    assert followed.texts == {2: "two"}
    followed.leaving, followed.loaded = {1}, {2}
    for _ in range(3):
        followed.follower.look()
    assert len(followed.place.published()) == 2
    followed.leaving = set()
    for _ in range(2):
        followed.follower.look()
    assert [name.partition("-")[0] for name in followed.place.published()] == ["2"]


def test_a_version_that_went_away_is_replaced_by_the_one_before(tmp_path: Path) -> None:
    """It serves until the one before is in the cache."""
    followed = Followed(tmp_path, FakeStore({1: model("one"), 2: model("two")}))
    followed.look()
    del followed.store.content[2]
    during: list[dict[int, str]] = []
    followed.store.on_read = lambda file: during.append(followed.texts)
    followed.look()
    assert during == [{2: "two"}] * 2
    assert followed.texts == {1: "one"}


def test_a_store_without_versions_unloads_the_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As a directory that is there and has none; the log says once what was expected."""
    followed = Followed(tmp_path, FakeStore({1: model("one")}))
    followed.look()
    followed.store.content.clear()
    followed.look()
    followed.look()
    assert followed.follower.aspired == {}
    assert [each.levelno for each in caplog.records if "No versions of servable m found" in each.message] == [
        logging.WARNING
    ]


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.NOT_FOUND, Code.PERMISSION_DENIED, Code.DEADLINE_EXCEEDED])
def test_a_store_that_is_down_touches_nothing(tmp_path: Path, code: Code) -> None:
    """Neither what is aspired nor what is in the cache; the pauses grow to a minute and the log has one line."""
    followed = Followed(tmp_path, FakeStore({1: model("one")}))
    followed.look()
    followed.store.down = StoreError("it is down", code)
    pauses = [followed.look() or 0.0 for _ in range(12)]
    assert followed.texts == {1: "one"}
    assert 0.75 <= pauses[0] <= 1.25
    assert 45 <= pauses[-1] <= 75
    assert followed.follower.trouble == "it is down"
    followed.store.down = None
    assert followed.look() == 30.0
    assert followed.follower.trouble == ""


def test_trouble_is_told_once_and_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The line says what stays."""
    caplog.set_level(logging.INFO)
    followed = Followed(tmp_path, FakeStore({1: model("one")}))
    followed.look()
    followed.store.down = DOWN
    followed.look()
    followed.look()
    followed.store.down = None
    followed.look()
    told = [each.message for each in caplog.records if "s3://b/m" in each.message and "etch" not in each.message]
    assert told == [
        "Model m: s3://b/m: it is down. It is tried again, meanwhile version(s) 1 stay",
        "s3://b/m of model m answers again",
    ]


def test_a_start_without_the_store_serves_the_cache(tmp_path: Path) -> None:
    """What the policy wants of what is there; a store that is back is looked at as ever."""
    store = FakeStore({1: model("one"), 2: model("two")})
    before = Followed(tmp_path, store, All())
    before.look()
    before.follower.close()
    store.down = DOWN
    followed = Followed(tmp_path, store)
    followed.look()
    assert followed.texts == {2: "two"}
    store.down = None
    store.content[3] = model("three")
    followed.look()
    assert followed.texts == {3: "three"}


def test_a_start_without_store_and_cache_waits(tmp_path: Path) -> None:
    """Nothing is known of the model, so that nothing is unloaded."""
    followed = Followed(tmp_path, FakeStore(down=DOWN))
    followed.look()
    assert followed.follower.aspired is None


def test_a_cut_goes_on_where_it_was(tmp_path: Path) -> None:
    """What has come is not fetched again."""
    followed = Followed(tmp_path, FakeStore({1: {"saved_model.pb": b"0123456789"}}))
    followed.store.cut_after = 6
    followed.look()
    assert followed.follower.aspired is None
    followed.store.cut_after = None
    followed.look()
    assert followed.texts == {1: "0123456789"}
    assert followed.store.bytes_read == 10


def test_wrong_bytes_are_never_published(tmp_path: Path) -> None:
    """A checksum that differs is an error, and all of the file is fetched again."""
    followed = Followed(tmp_path, FakeStore({1: model("one")}))
    followed.store.wrong_bytes = True
    followed.look()
    assert (followed.follower.aspired, followed.place.published()) == (None, [])
    assert "did not come whole: its MD5 is not that of the store" in followed.follower.trouble
    followed.store.wrong_bytes = False
    followed.look()
    assert followed.texts == {1: "one"}


def test_a_checksum_for_which_the_store_does_not_vouch(tmp_path: Path) -> None:
    """As the ETag of encrypted objects: the size counts alone."""
    followed = Followed(tmp_path, FakeStore({1: model("one")}, wrong_bytes=True, vouching=False))
    followed.look()
    assert followed.texts == {1: "xxx"}


def test_what_changes_while_it_is_fetched_is_fetched_anew(tmp_path: Path) -> None:
    """No version is a mixture of two uploads."""
    followed = Followed(tmp_path, FakeStore({1: model("one")}))

    def overwrite(file: object) -> None:
        followed.store.content[1] = {**model("one"), "late.txt": b"late"}

    followed.store.on_read = overwrite
    followed.look()
    assert followed.follower.aspired is None
    assert "was changed in the store while it was fetched" in followed.follower.trouble
    followed.store.on_read = lambda file: None
    followed.look()
    assert (tmp_path / place_name(URL) / followed.place.published()[0] / "late.txt").exists()


def test_an_upload_in_progress_is_left_alone(tmp_path: Path) -> None:
    """A version is fetched once nothing in it has changed for the settle time."""
    store = FakeStore({1: {"variables/variables.index": b"index"}}, modified=1000.0)
    followed = Followed(tmp_path, store, settle=2.0)
    assert followed.look() == pytest.approx(2.0)
    followed.now = 1001.5
    store.content[1], store.modified = model("one"), 1001.5
    assert followed.look() == pytest.approx(2.0)
    assert followed.follower.aspired is None
    followed.now = 1003.6
    followed.look()
    assert followed.texts == {1: "one"}


def test_old_versions_wait_for_nothing(tmp_path: Path) -> None:
    followed = Followed(tmp_path, FakeStore({1: model("one")}, modified=900.0), settle=2.0)
    followed.look()
    assert followed.texts == {1: "one"}


def test_a_directory_mark_without_files_is_no_version_yet(tmp_path: Path) -> None:
    """Consoles make empty objects for folders: the version before it goes on."""
    followed = Followed(tmp_path, FakeStore({1: model("one")}))
    followed.look()
    followed.store.content[2] = {}
    followed.look()
    assert followed.texts == {1: "one"}


def test_an_overwritten_version_that_is_loaded_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As in a directory its change is not noticed, and the log says so; a new start fetches it."""
    followed = Followed(tmp_path, FakeStore({1: model("one")}))
    followed.look()
    followed.store.content[1] = model("another")
    followed.look()
    assert followed.texts == {1: "one"}
    assert "have changed in s3://b/m; it stays as it was loaded" in caplog.text
    followed.follower.close()
    again = Followed(tmp_path, followed.store)
    again.look()
    assert again.texts == {1: "another"}


def test_an_overwritten_version_that_failed_is_fetched(tmp_path: Path) -> None:
    """What could not be loaded is mended by an upload; its former files leave the cache."""
    followed = Followed(tmp_path, FakeStore({1: model("broken")}))
    followed.follower.look()
    followed.store.content[1] = model("mended")
    for _ in range(3):
        followed.follower.look()
    assert followed.texts == {1: "mended"}
    assert len(followed.place.published()) == 1


def test_one_version_that_cannot_be_fetched_does_not_stop_another(tmp_path: Path) -> None:
    """And what was served before goes on."""
    store = FakeStore({1: model("one"), 2: model("two")})
    followed = Followed(tmp_path, store, All())
    store.content[2] = {"../evil": b"evil"}
    followed.look()
    assert followed.texts == {1: "one"}
    assert "which no directory can hold" in followed.follower.trouble
    assert not (tmp_path.parent / "evil").exists()


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is fetched."""
    monkeypatch.setattr("serving.stores.cache._SPARE_BYTES", 1 << 62)
    followed = Followed(tmp_path, FakeStore({1: model("one")}))
    followed.look()
    assert "free, and 0.0 MB are needed" in followed.follower.trouble
    assert followed.store.reads == []


def test_a_model_taken_out_leaves_the_cache_when_it_is_unloaded(tmp_path: Path) -> None:
    """Not while it serves."""
    followed = Followed(tmp_path, FakeStore({1: model("one")}))
    followed.look()
    assert not followed.follower.end()
    assert followed.follower.aspired == {}
    assert not followed.follower.end()
    assert len(followed.place.published()) == 1
    followed.loaded = set()
    assert [followed.follower.end() for _ in range(2)][-1]
    assert followed.place.published() == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"1/saved_model.pb": b"one", "2/saved_model.pb": b"two"}, {2: "two"}, id="versions"),
        pytest.param({"m/3/saved_model.pb": b"three"}, {3: "three"}, id="versions in a directory"),
        pytest.param({"export/Servo/7/saved_model.pb": b"seven"}, {7: "seven"}, id="as SageMaker has it"),
        pytest.param({"saved_model.pb": b"bare", "variables/x": b""}, {1: "bare"}, id="a model itself"),
        pytest.param({"m/saved_model.pb": b"bare"}, {1: "bare"}, id="a model in a directory"),
    ],
)
def test_archives(tmp_path: Path, files: dict[str, bytes], expected: dict[int, str]) -> None:
    """What is unpacked is the base path, or version 1 if it is a SavedModel."""
    followed = Followed(tmp_path, FakeStore(archive=archive(files)), url=ARCHIVE)
    followed.look()
    assert followed.texts == expected
    followed.follower.close()
    again = Followed(tmp_path, FakeStore(archive=archive(files), down=DOWN), url=ARCHIVE)
    again.look()
    assert again.texts == expected


def test_an_archive_with_another_version(tmp_path: Path) -> None:
    """The new one is fetched and served; the old one leaves the cache."""
    followed = Followed(tmp_path, FakeStore(archive=archive({"1/saved_model.pb": b"one"})), url=ARCHIVE)
    followed.look()
    followed.store.archive = archive({"2/saved_model.pb": b"two"})
    for _ in range(4):
        followed.look()
    assert followed.texts == {2: "two"}
    assert len(followed.place.published()) == 1


def test_an_archive_that_is_none_is_not_fetched_again(tmp_path: Path) -> None:
    """The same bytes would fail the same way; another upload is tried."""
    followed = Followed(tmp_path, FakeStore(archive=b"<html>not found</html>"), url=ARCHIVE)
    for _ in range(3):
        followed.look()
    assert len(followed.store.reads) == 1
    assert "the archive cannot be read" in followed.follower.trouble
    followed.store.archive = archive({"1/saved_model.pb": b"one"})
    followed.look()
    assert followed.texts == {1: "one"}
