"""Text protos in files: the errors that all of them share, and fields of type Any."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.configuration import text_proto
from serving.errors import Code, ConfigurationError
from serving.protos import ConfigProto, ThreadPoolFactoryConfig


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


@given(st.binary())
def test_any_bytes_are_a_message_or_the_one_error(text: bytes) -> None:
    """Nothing else comes out."""
    try:
        text_proto.parse(text, ConfigProto, "c")
    except ConfigurationError as error:
        assert error.message.startswith("Invalid protobuf file: 'c'; ")  # noqa: PT017 - either is right
