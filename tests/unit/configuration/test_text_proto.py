"""Text protos in files: the errors that all of them share, and fields of type Any."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.configuration import text_proto
from serving.errors import Code, ConfigurationError
from serving.protos import ConfigProto, ModelServerConfig, ThreadPoolFactoryConfig


def refusal(path: Path) -> tuple[Code, str]:
    """Code and text with which a file is refused."""
    with pytest.raises(ConfigurationError) as raised:
        text_proto.read(path, ConfigProto)
    return raised.value.code, raised.value.message


def test_fields_are_read(tmp_path: Path) -> None:
    """Comments, commas, single quotes and a colon before braces are part of the format."""
    path = tmp_path / "c"
    path.write_text("allow_soft_placement: true, # yes\ngpu_options: { visible_device_list: '0' };")
    config = text_proto.read(path, ConfigProto)
    assert (config.allow_soft_placement, config.gpu_options.visible_device_list) == (True, "0")


def test_any_fields_may_be_written_out(tmp_path: Path) -> None:
    """What an Any holds is found among our own message classes."""
    path = tmp_path / "c"
    path.write_text(
        "thread_pool_factory_config { [type.googleapis.com/tensorflow.ConfigProto] { placement_period: 3 } }"
    )
    config = ConfigProto()
    assert text_proto.read(str(path), ThreadPoolFactoryConfig).thread_pool_factory_config.Unpack(config)
    assert config.placement_period == 3


def test_blanks_are_an_empty_message(tmp_path: Path) -> None:
    """A file that says nothing is valid; one of no bytes cannot be mapped, as TensorFlow would."""
    path = tmp_path / "c"
    path.write_text("\n")
    assert text_proto.read(path, ConfigProto) == ConfigProto()
    path.write_text("")
    assert refusal(path) == (Code.INVALID_ARGUMENT, f"{path}; Invalid argument")


def test_unparsable_text_says_where(tmp_path: Path) -> None:
    """TensorFlow Serving's text, and after it the place and the cause."""
    path = tmp_path / "c"
    path.write_text("allow_soft_placement: true\nnonsense: 1")
    code, text = refusal(path)
    assert code is Code.INVALID_ARGUMENT
    assert text.startswith(f"Invalid protobuf file: '{path}'; 2:1 : ")


def test_missing_file(tmp_path: Path) -> None:
    """NOT_FOUND with the system's words."""
    assert refusal(tmp_path / "c") == (Code.NOT_FOUND, f"{tmp_path / 'c'}; No such file or directory")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    """Other errors of the file system are told in its words too."""
    assert refusal(tmp_path) == (Code.FAILED_PRECONDITION, f"{tmp_path}; Is a directory")


def in_model(text: str) -> str:
    """A configuration with this in its one model."""
    return "model_config_list { config { " + text + " } }"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            "improper model config",
            '1:10: Message type "tensorflow.serving.ModelServerConfig" has no field named "improper".',
            id="no such field",
        ),
        pytest.param(
            "# one\n\tnam: 1",
            '2:12: Message type "tensorflow.serving.ModelServerConfig" has no field named "nam".',
            id="tab",
        ),
        pytest.param("<", "1:1: Expected identifier, got: <", id="no identifier"),
        pytest.param("}", "1:1: Expected identifier, got: }", id="brace too many"),
        pytest.param("model_config_list {", "1:20: Expected identifier, got: ", id="end"),
        pytest.param("model_config_list: 3", '1:20: Expected "{", found "3".', id="no message"),
        pytest.param(in_model('base_path "x"'), '1:40: Expected ":", found ""x"".', id="no colon"),
        pytest.param(in_model("name: 3"), "1:36: Expected string, got: 3", id="no string"),
        pytest.param("model_config_list { config { name: ", "1:36: Expected string, got: ", id="no value"),
        pytest.param(in_model('name: "x'), "1:42: Unexpected end of string.", id="open string"),
        pytest.param(
            in_model("name: 'a\nb'"), "1:38: String literals cannot cross line boundaries.", id="string of two lines"
        ),
        pytest.param(
            in_model('name: "x" name: "y"'),
            '1:44: Non-repeated field "name" is specified multiple times.',
            id="twice",
        ),
        pytest.param(
            in_model("model_version_policy { latest { } all { } }"),
            '1:68: Field "all" is specified along with field "latest", another member of oneof "policy_choice".',
            id="one of",
        ),
        pytest.param(
            in_model("model_version_policy { specific { versions: 99999999999999999999 } }"),
            "1:74: Integer out of range (99999999999999999999)",
            id="out of range",
        ),
        pytest.param(
            in_model("model_version_policy { latest { num_versions: -1 } }"),
            "1:76: Expected integer, got: -",
            id="negative",
        ),
        pytest.param(
            in_model('version_labels { key: "a" value: "b" }'), '1:63: Expected integer, got: "b"', id="no integer"
        ),
        pytest.param(
            in_model("model_type: FOO"),
            '1:46: Unknown enumeration value of "FOO" for field "model_type".',
            id="enumeration",
        ),
        pytest.param(
            in_model("logging_config { sampling_config { sampling_rate: abc } }"),
            "1:80: Expected double, got: abc",
            id="no number",
        ),
        pytest.param(
            "custom_model_config { [type.googleapis.com/x.y] { } }",
            '1:49: Could not find type "type.googleapis.com/x.y" stored in google.protobuf.Any.',
            id="unknown type",
        ),
        pytest.param(
            "[x.y] { }",
            '1:7: Extension "x.y" is not defined or is not an extension of "tensorflow.serving.ModelServerConfig".',
            id="extension",
        ),
    ],
)
def test_log_has_the_words_of_protobuf(text: str, words: str, caplog: pytest.LogCaptureFixture) -> None:
    """What C++ says, with the place where C++ is by then: after a name that means nothing, at a value that is wrong."""
    for _ in range(2):  # a file that is read again says nothing new
        with pytest.raises(ConfigurationError):
            text_proto.parse(text.encode(), ModelServerConfig, words)
    assert caplog.messages == [f"Error parsing text-format tensorflow.serving.ModelServerConfig: {words}"]


def test_boolean(caplog: pytest.LogCaptureFixture) -> None:
    """The field is named, as with enumerations."""
    with pytest.raises(ConfigurationError):
        text_proto.parse(b"allow_soft_placement: maybe ", ConfigProto, "boolean")
    words = '1:29: Invalid value for boolean field "allow_soft_placement". Value: "maybe".'
    assert caplog.messages == [f"Error parsing text-format tensorflow.ConfigProto: {words}"]


@given(st.binary())
def test_any_bytes_are_a_message_or_the_one_error(text: bytes) -> None:
    """Nothing else comes out."""
    try:
        text_proto.parse(text, ConfigProto, "c")
    except ConfigurationError as error:
        assert error.message.startswith("Invalid protobuf file: 'c'; ")  # noqa: PT017 - either is right
