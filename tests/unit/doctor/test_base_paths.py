"""Base paths that people give by mistake, each as real directories, and what each row tells them to do."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.core.version_policy import All, Specific
from serving.doctor import base_paths
from serving.doctor.config_files import Named
from serving.doctor.finding import Finding, Level
from serving.settings import Settings
from tests.unit.doctor.rows import fill, level, model, only, somebody


def look(named: Named) -> tuple[dict[int, Path], list[Finding]]:
    return base_paths.look(named, Settings())


MISTAKES = [
    pytest.param(
        lambda at: fill(at / "m" / "3", "saved_model.pb"),
        "{at}/m/3 is a version itself",
        "Give --model_base_path={at}/m",
        id="one level too deep",
    ),
    pytest.param(
        lambda at: fill(at / "models", "resnet/1/saved_model.pb").parent / "models",
        "has no versions but models, one directory further down: resnet",
        "Give --model_base_path={at}/models/resnet",
        id="one level too high",
    ),
    pytest.param(
        lambda at: fill(at, "resnet/1/", "mnist/2/"),
        "further down: mnist, resnet",
        " or list them in a --model_config_file",
        id="several models",
    ),
    pytest.param(
        lambda at: fill(at / "m", "saved_model.pb", "variables/"),
        "the model lies directly in {at}/m, which has no version directory",
        "mkdir {at}/m/1, and move",
        id="no version directory",
    ),
    pytest.param(
        lambda at: fill(at / "m", "v1/saved_model.pb"), "has no version", "mv {at}/m/v1 {at}/m/1", id="letter in it"
    ),
    pytest.param(
        lambda at: fill(at / "m", "best/saved_model.pb"), "has no version", "mv {at}/m/best {at}/m/1", id="a word"
    ),
    pytest.param(
        lambda at: fill(at / "m"), "the directory is empty", "so that there is {at}/m/1/saved_model.pb", id="empty"
    ),
    pytest.param(lambda at: fill(at / "m", "net.keras"), "the Keras file net.keras", '.export("{at}/m/1")', id="keras"),
    pytest.param(lambda at: fill(at / "m", "m.h5"), "the Keras file m.h5", '.export("{at}/m/1")', id="h5"),
    pytest.param(
        lambda at: fill(at / "m", "checkpoint", "ckpt-1.index", "ckpt-1.data-00000-of-00001"),
        "a checkpoint (ckpt-1.index)",
        'tf.saved_model.save(model, "{at}/m/1")',
        id="checkpoint",
    ),
    pytest.param(
        lambda at: fill(at / "m", "m.weights.h5"), "a checkpoint (m.weights.h5)", "restore the checkpoint", id="weights"
    ),
    pytest.param(lambda at: fill(at / "m", "m.onnx"), "m.onnx, an ONNX model", "Convert it", id="onnx"),
    pytest.param(lambda at: fill(at / "m", "m.tar.gz"), "the archive m.tar.gz", "Unpack it", id="archive"),
    pytest.param(lambda at: fill(at / "m", "x.tflite"), "x.tflite", "{at}/m/1/model.tflite", id="tflite"),
    pytest.param(
        lambda at: fill(at, "resnet/1/", "mnist/1/") / "resnt",
        "{at}/resnt is not there; {at} has: resnet, mnist",
        "Did you mean resnet? Then give --model_base_path={at}/resnet",
        id="typo",
    ),
    pytest.param(
        lambda at: fill(at, "only/1/") / "zzz", "{at} has: only", "give --model_base_path={at}/only", id="one other"
    ),
    pytest.param(
        lambda at: at / "a" / "b" / "c", "{at} has: nothing", "{at}/a/b/c/1/saved_model.pb", id="nothing of it"
    ),
    pytest.param(lambda at: fill(at, "m.keras") / "m.keras", "is a file", '.export("{at}/1")', id="a keras file given"),
    pytest.param(
        lambda at: fill(at / "m" / "1", "saved_model.pb") / "saved_model.pb",
        "is a file",
        "Give --model_base_path={at}/m",
        id="the file given",
    ),
]


@pytest.mark.parametrize(("make", "found", "advice"), MISTAKES)
def test_mistake(tmp_path: Path, make: Callable[[Path], Path], found: str, advice: str) -> None:
    """One row that fails: what was given, and what to do, with the path to copy."""
    at = fill(tmp_path / "at")
    versions, findings = look(model(make(at)))
    row = only(findings)
    assert versions == {}
    assert row.what == "model m"
    assert found.format(at=at) in row.found
    assert advice.format(at=at) in row.advice


def test_broken_link(tmp_path: Path) -> None:
    """A mount that forgot where a link leads: both ends are named."""
    (tmp_path / "m").symlink_to("/nowhere/m")
    assert only(look(model(tmp_path / "m"))[1]).found == f"{tmp_path}/m is a link to /nowhere/m, which is not there"


def test_model_of_a_file(tmp_path: Path) -> None:
    """The advice is for the file that configures the model, with its line."""
    base = fill(tmp_path / "m" / "1", "saved_model.pb")
    row = only(look(model(base, file=Path("/c/models.config")))[1])
    assert row.advice == f'Give base_path: "{tmp_path}/m" near line 7 of /c/models.config'


@pytest.mark.parametrize("closed", ["m", "."])
def test_unreadable(closed: str) -> None:
    """The user, the directory that stops it, its owner and mode are named."""
    with somebody() as directory:
        user = os.geteuid()
        if os.getuid() == 0:
            os.seteuid(0)
        base = fill(directory / "m", "1/saved_model.pb")
        (directory / closed).chmod(0o000)
        if user != os.geteuid():
            os.seteuid(user)
        row = only(look(model(base))[1])
        verb = "enter" if closed == "." else "read"
        assert f"user {user} may not {verb} {(directory / closed).resolve()}, which is user" in row.found
        assert "mode 0000 (d---------)" in row.found
        assert f"chmod -R a+rX {base}" in row.advice


def test_versions_are_found(tmp_path: Path) -> None:
    """Those that the policy chooses, with a row that says so."""
    base = fill(tmp_path / "m", "1/", "2/", "notes/")
    versions, findings = look(model(base))
    assert versions == {2: base / "2"}
    assert only(findings, Level.OK).found == f"{base} has version(s) to load: 2"
    assert level(findings, Level.FAILS) == []


def test_policy_of_what_is_not_there(tmp_path: Path) -> None:
    """With none of them it fails, with some it is a warning."""
    base = fill(tmp_path / "m", "1/", "2/")
    row = only(look(model(base, Specific(versions=frozenset((7,)))))[1])
    assert "found 2, 1; the version policy asks for 7" in row.found
    versions, findings = look(model(base, Specific(versions=frozenset((1, 7)))))
    assert set(versions) == {1}
    assert "names 7" in only(findings, Level.WARNING).found


def test_duplicates(tmp_path: Path) -> None:
    """Two names for a number."""
    row = only(look(model(fill(tmp_path / "m", "1/", "01/"), All()))[1], Level.WARNING)
    assert "are both version 1" in row.found


def test_label_of_what_is_not_loaded(tmp_path: Path) -> None:
    """Requests with it would fail."""
    row = only(look(model(fill(tmp_path / "m", "1/"), labels={"stable": 4}))[1], Level.WARNING)
    assert "the label stable points to version 4" in row.found
