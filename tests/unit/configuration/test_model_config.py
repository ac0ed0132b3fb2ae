"""Model configuration: what a text ModelServerConfig says, and what is wrong with it."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.configuration import model_config
from serving.configuration.model_config import Configured, ModelConfig
from serving.core.store_url import StoreUrl
from serving.core.version_policy import All, Latest, Specific, VersionPolicy
from serving.errors import Code, ConfigurationError

PLATFORM = 'model_platform: "tensorflow"'


def configured(tmp_path: Path, text: str | bytes) -> Configured:
    """What a file with this text configures, its platforms checked."""
    path = tmp_path / "models.config"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    models = model_config.read(path)
    model_config.check_platforms(models or ())
    return models


def read(tmp_path: Path, text: str | bytes) -> tuple[ModelConfig, ...]:
    """The models of a file that lists some."""
    models = configured(tmp_path, text)
    assert models is not None
    return models


def config(more: str = PLATFORM, *, name: str = "m", base_path: str = "/models/m") -> str:
    """One entry of the list."""
    return f'config {{ name: "{name}" base_path: "{base_path}" {more} }}'


def listed(*entries: str) -> str:
    """A whole file."""
    return "model_config_list {" + "\n".join(entries) + "}"


def refusal(tmp_path: Path, text: str | bytes) -> tuple[Code, str]:
    """Code and text with which a file is refused."""
    with pytest.raises(ConfigurationError) as raised:
        configured(tmp_path, text)
    return raised.value.code, raised.value.message


def test_single_model() -> None:
    """Two flags make one model: its latest version, no labels."""
    assert model_config.single("m", "/models/m") == (ModelConfig(name="m", base_path=Path("/models/m")),)
    assert model_config.single("m", "/models/m")[0].policy == Latest(num_versions=1)


@pytest.mark.parametrize("base_path", ["", "models", "./models", "~/models"])
def test_single_model_needs_an_absolute_path(base_path: str) -> None:
    """The text is TensorFlow Serving's, here too."""
    with pytest.raises(ConfigurationError) as raised:
        model_config.single("m", base_path)
    assert (raised.value.code, raised.value.message) == (
        Code.INVALID_ARGUMENT,
        f"Expected model m to have an absolute path or URI; got base_path()={base_path}",
    )


def test_file_uri_is_a_path() -> None:
    """``file://`` is taken off."""
    assert model_config.single("m", "file:///models/m")[0].base_path == Path("/models/m")


@pytest.mark.parametrize("base_path", ["hdfs://host/m", "ram://m"])
def test_object_stores_are_not_served_from(base_path: str) -> None:
    """UNIMPLEMENTED says what was given and what to do instead."""
    with pytest.raises(ConfigurationError, match="mounted") as raised:
        model_config.single("m", base_path)
    assert raised.value.code is Code.UNIMPLEMENTED
    assert base_path in raised.value.message


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("", Latest(num_versions=1), id="none"),
        pytest.param("model_version_policy {}", Latest(num_versions=1), id="empty"),
        pytest.param("model_version_policy { latest { num_versions: 3 } }", Latest(num_versions=3), id="latest"),
        pytest.param("model_version_policy { latest {} }", Latest(num_versions=0), id="latest of nothing"),
        pytest.param("model_version_policy { all {} }", All(), id="all"),
        pytest.param(
            "model_version_policy: { specific: { versions: [42, 43]; versions: 42 } }",
            Specific(versions=frozenset((42, 43))),
            id="specific",
        ),
    ],
)
def test_version_policy(tmp_path: Path, policy: str, expected: VersionPolicy) -> None:
    """Each policy is a value."""
    (model,) = read(tmp_path, listed(config(f"{PLATFORM} {policy}")))
    assert model.policy == expected


def test_labels(tmp_path: Path) -> None:
    """Labels are a mapping to version numbers."""
    labels = 'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }'
    assert read(tmp_path, listed(config(f"{PLATFORM} {labels}")))[0].labels == {"stable": 1, "canary": 2}


def test_models_keep_the_files_order(tmp_path: Path) -> None:
    """Models come as they are listed; names are not restricted to a character set."""
    models = read(tmp_path, listed(*[config(name=name) for name in ("z", "a", "with space", "ünï")]))
    assert [model.name for model in models] == ["z", "a", "with space", "ünï"]


@pytest.mark.parametrize("text", ["model_config_list {}", "model_config_list: < >"], ids=["braces", "angles"])
def test_empty_list(tmp_path: Path, text: str) -> None:
    """A list of no models is valid."""
    assert configured(tmp_path, text) == ()


@pytest.mark.parametrize("text", ["\n", "# a comment"], ids=["newline", "comment"])
def test_no_list(tmp_path: Path, text: str) -> None:
    """A file without a list is valid, and told from an empty list."""
    assert configured(tmp_path, text) is None


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(PLATFORM, id="platform"),
        pytest.param("model_type: TENSORFLOW", id="deprecated type"),
        pytest.param("model_platform: 'tensorflow', # comment", id="niceties"),
    ],
)
def test_platforms(tmp_path: Path, more: str) -> None:
    """The one platform may be named in either way."""
    assert [model.name for model in read(tmp_path, listed(config(more + "\n")))] == ["m"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            listed(config(), config()), "Illegal to list model m multiple times in config list", id="listed twice"
        ),
        pytest.param(
            listed(config(base_path="models")),
            "Expected model m to have an absolute path or URI; got base_path()=models",
            id="relative path",
        ),
        pytest.param(
            listed('config { name: "m" model_platform: "tensorflow" }'),
            "Expected model m to have an absolute path or URI; got base_path()=",
            id="no path",
        ),
        pytest.param(
            listed(config("")),
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform, "
            "model name is m",
            id="no platform",
        ),
        pytest.param(
            listed(config(f"{PLATFORM} model_type: TENSORFLOW")),
            "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform, "
            "model name is m",
            id="type and platform",
        ),
        pytest.param(
            listed(config("model_type: OTHER")),
            "ModelServerConfig::model_type choice 2 not supported.",
            id="other type",
        ),
        pytest.param(
            listed(config('model_platform: "caffe"')),
            "Model m requests unsupported platform caffe",
            id="other platform",
        ),
        pytest.param(
            "custom_model_config {}",
            "custom_model_config is not supported; expected model_config_list",
            id="custom config",
        ),
    ],
)
def test_invalid_configurations(tmp_path: Path, text: str, expected: str) -> None:
    """INVALID_ARGUMENT with TensorFlow Serving's text, where it has one."""
    assert refusal(tmp_path, text) == (Code.INVALID_ARGUMENT, expected)


def test_supported_platforms_can_be_others(tmp_path: Path) -> None:
    """The composition root says which platforms there are."""
    (model,) = read(tmp_path, listed(config()))
    with pytest.raises(ConfigurationError, match="Model m requests unsupported platform tensorflow"):
        model_config.check_platforms([model], supported=("other",))


def test_platform_of_a_model_that_stays_cannot_change() -> None:
    """A reload keeps each model's platform; the text is TensorFlow Serving's."""
    before, after = (
        [ModelConfig(name="m", base_path=Path("/m"), model_platform=platform)] for platform in ("tensorflow", "other")
    )
    with pytest.raises(ConfigurationError) as raised:
        model_config.check_change(before, after)
    assert (raised.value.code, raised.value.message) == (
        Code.INVALID_ARGUMENT,
        "Illegal to change a model's platform. For model m platform was tensorflow and new platform requested is other",
    )


def test_models_may_come_go_and_move() -> None:
    """Everything but a platform may change, also the way in which it is written."""
    old = ModelConfig(name="old", base_path=Path("/old"), model_platform="other")
    before = ModelConfig(name="m", base_path=Path("/m"))
    after = ModelConfig(name="m", base_path=Path("/n"), model_type=1, model_platform="")
    model_config.check_change([old, before], [after, ModelConfig(name="new", base_path=Path("/new"))])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("model_config_list {", id="open"),
        pytest.param("model_config_lists {}", id="unknown field"),
        pytest.param(listed(config('version_labels { key: "a" value: "1" }')), id="wrong type"),
        pytest.param(b"\xff\xfe", id="not text"),
        pytest.param('custom_model_config { [type.googleapis.com/x] { a: "x" } }', id="unknown Any"),
    ],
)
def test_unparsable_file(tmp_path: Path, text: str | bytes) -> None:
    """The text begins as TensorFlow Serving's and goes on to say where and what."""
    code, message = refusal(tmp_path, text)
    start = f"Invalid protobuf file: '{tmp_path / 'models.config'}'; "
    assert code is Code.INVALID_ARGUMENT
    assert message.startswith(start)
    assert len(message) > len(start)


def test_file_of_no_bytes(tmp_path: Path) -> None:
    """Nothing cannot be mapped into memory, which TensorFlow would do."""
    path = tmp_path / "models.config"
    assert refusal(tmp_path, "") == (Code.INVALID_ARGUMENT, f"{path}; Invalid argument")


def test_missing_file(tmp_path: Path) -> None:
    """NOT_FOUND with the system's words."""
    path = tmp_path / "nothing"
    with pytest.raises(ConfigurationError) as raised:
        model_config.read(path)
    assert (raised.value.code, raised.value.message) == (Code.NOT_FOUND, f"{path}; No such file or directory")


def test_directory_instead_of_a_file(tmp_path: Path) -> None:
    """Other errors of the file system are told as well."""
    with pytest.raises(ConfigurationError) as raised:
        model_config.read(tmp_path)
    assert (raised.value.code, raised.value.message) == (Code.FAILED_PRECONDITION, f"{tmp_path}; Is a directory")


@given(st.binary() | st.text("{}:<>[]\"'\\,;#acdefghilmnoprstvy_0123 \n"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_models_or_an_error(tmp_path: Path, text: str | bytes) -> None:
    """Whatever is in the file, only ConfigurationError comes out."""
    with contextlib.suppress(ConfigurationError):
        for model in configured(tmp_path, text) or ():
            assert isinstance(model.base_path, StoreUrl) or model.base_path.is_absolute()


def test_base_path_with_a_nul_is_refused() -> None:
    """No path can have one; a look at it would fail in a way that ends the watching of all models."""
    with pytest.raises(ConfigurationError, match="with a NUL"):
        model_config.single("m", "/models/m\0n")
