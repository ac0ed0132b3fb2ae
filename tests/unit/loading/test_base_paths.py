"""Which base paths a reload by request may name, on a real file system with links."""

from pathlib import Path

import pytest

from serving.configuration.model_config import Configured, ModelConfig
from serving.errors import Code, ConfigurationError
from serving.loading.base_paths import BasePaths


def listed(*paths: Path | str) -> Configured:
    """A list of models with these base paths."""
    return tuple(ModelConfig(name=f"m{number}", base_path=Path(path)) for number, path in enumerate(paths))


def allowed(given: Configured, path: Path | str, present: Configured = None) -> bool:
    """Whether a reload may name it."""
    paths = BasePaths()
    paths.give(given)
    try:
        paths.check(listed(path), present)
    except ConfigurationError:
        return False
    return True


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """``models/a``, beside ``elsewhere/x``."""
    (tmp_path / "models" / "a").mkdir(parents=True)
    (tmp_path / "elsewhere" / "x").mkdir(parents=True)
    return tmp_path / "models"


@pytest.mark.parametrize("path", ["a", "b", "deep/below", "b/../c", "x/./y"])
def test_below_the_parent(models: Path, path: str) -> None:
    """Brothers and what is below them, there or not."""
    assert allowed(listed(models / "a"), models / path)


@pytest.mark.parametrize("path", ["", "..", "../elsewhere/x", "a/../../elsewhere", "../models2/a", "../modelsa"])
def test_elsewhere(models: Path, path: str) -> None:
    """Not the parent itself, nor what only begins alike or leads out of it."""
    assert not allowed(listed(models / "a"), models / path)


def test_directories_of_a_platform(models: Path) -> None:
    """What is below them is allowed whatever is listed, and they themselves are not."""
    paths = BasePaths((models,))
    paths.check(listed(models / "a", models / "deep" / "below"), None)
    for path in (models, models.parent / "elsewhere" / "x", models / ".."):
        with pytest.raises(ConfigurationError, match=f"allowed, links followed: below {models}"):
            paths.check(listed(path), None)


def test_links_are_followed(models: Path) -> None:
    """One that leads out is out; one that leads in is in."""
    out, back = models / "out", models.parent / "back"
    out.symlink_to(models.parent / "elsewhere")
    back.symlink_to(models)
    assert not allowed(listed(models / "a"), out)
    assert not allowed(listed(models / "a"), out / "x")
    assert allowed(listed(models / "a"), back / "b")


def test_a_given_link_allows_where_it_leads(models: Path) -> None:
    """It and what is below it, and the brothers of the link; not the brothers of where it leads."""
    link = models / "link"
    link.symlink_to(models.parent / "elsewhere" / "x")
    assert allowed(listed(link), link)
    assert allowed(listed(link), models.parent / "elsewhere" / "x" / "y")
    assert allowed(listed(link), models / "b")
    assert not allowed(listed(link), models.parent / "elsewhere" / "y")


def test_a_parent_through_dots(models: Path) -> None:
    """What is given may itself go up; its parent is that of where it ends."""
    assert allowed(listed(models / "a" / ".."), models.parent / "elsewhere")
    assert not allowed(listed(models / "b" / ".." / "a"), models.parent / "elsewhere")


@pytest.mark.parametrize("path", ["/models", "/models/a", "/models/a/b"])
def test_below_the_root_is_not_everything(path: str) -> None:
    """A base path whose parent is the root allows itself and what is below it."""
    assert allowed(listed("/models"), path)
    for other in ("/etc", "/", "/models2", "/models/../etc"):
        assert not allowed(listed("/models"), other)


def test_the_root_allows_nothing_but_itself() -> None:
    """It may be served, and still nothing else be named."""
    assert not allowed(listed("/"), "/etc")
    assert allowed(listed("/"), "/", present=listed("/"))


def test_what_is_served_may_stay(models: Path) -> None:
    """A list may name what is in effect, whoever put it there; exactly that."""
    present = listed(models.parent / "elsewhere" / "x")
    assert allowed(listed(models / "a"), models.parent / "elsewhere" / "x", present)
    assert not allowed(listed(models / "a"), models.parent / "elsewhere" / "x" / "y", present)


def test_a_later_list_of_the_operator_counts(models: Path) -> None:
    """That of a changed file, in place of the former; a file without a list changes nothing."""
    paths = BasePaths()
    paths.give(listed(models / "a"))
    paths.give(listed(models.parent / "elsewhere" / "x"))
    paths.give(None)
    paths.check(listed(models.parent / "elsewhere" / "y"), None)
    with pytest.raises(ConfigurationError):
        paths.check(listed(models / "b"), None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(listed("/srv/models/a", "/srv/models/b"), r"links followed: below /srv/models\. To", id="parent"),
        pytest.param(
            listed("/models"), "followed: /models and below, for below its parent / is everything. To", id="root"
        ),
        pytest.param((), "links followed: nowhere, for no base path was given at the start. To", id="none"),
    ],
)
def test_the_refusal_names_both_ways_out(given: Configured, expected: str) -> None:
    """The model, the path, what is allowed, the flag and the right."""
    paths = BasePaths()
    paths.give(given)
    with pytest.raises(ConfigurationError, match=expected) as raised:
        paths.check(listed("/etc/x"), None)
    assert raised.value.code is Code.PERMISSION_DENIED
    text = raised.value.text
    assert text.startswith("A reload may not give model m0 the base path /etc/x; allowed, ")
    assert "--allow_any_base_path" in text
    assert "an API key that has the right admin (--api_keys_file)" in text
    assert len(text.encode()) < 1024


def test_no_list_asks_for_nothing() -> None:
    """An empty configuration names no path."""
    BasePaths().check(None, None)
