"""From flags and files to the ConfigProto of the sessions and the settings in effect."""

import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.configuration import session_config
from serving.configuration.session_config import Sessions
from serving.errors import Code, ConfigurationError
from serving.settings import Settings

CPUS = 6
ALL_THREE = (
    "Either configure server_options.tensorflow_session_parallelism or "
    "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) separately. "
    "You cannot configure all."
)
BUNDLE = "type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig"


def decide(**settings: Any) -> Sessions:
    """What these flags come to."""
    return session_config.decide(Settings(**settings), CPUS)


def refusal(**settings: Any) -> tuple[Code, str]:
    """Code and text with which flags are refused."""
    with pytest.raises(ConfigurationError) as raised:
        decide(**settings)
    return raised.value.code, raised.value.message


def written(tmp_path: Path, text: str) -> str:
    """The path of a file with this text."""
    path = tmp_path / "config"
    path.write_text(text)
    return str(path)


def platform(legacy: str) -> str:
    """A PlatformConfigMap whose tensorflow platform has this SessionBundleConfig."""
    return (
        f'platform_configs {{ key: "tensorflow" value {{ source_adapter_config {{ '
        f"[{BUNDLE}] {{ legacy_config {{ {legacy} }} }} }} }} }}"
    )


def threads(sessions: Sessions) -> tuple[int, int]:
    """Threads within and between operations."""
    return sessions.config.intra_op_parallelism_threads, sessions.config.inter_op_parallelism_threads


@pytest.mark.parametrize(
    ("session", "intra", "inter", "expected"),
    [
        pytest.param(0, 0, 0, (CPUS, CPUS), id="none"),
        pytest.param(3, 0, 0, (3, 3), id="session"),
        pytest.param(0, 2, 0, (2, CPUS), id="within"),
        pytest.param(0, 0, 2, (CPUS, 2), id="between"),
        pytest.param(0, 2, 4, (2, 4), id="both"),
        pytest.param(3, 2, 0, (2, CPUS), id="session is passed over"),
        pytest.param(3, -1, 0, (3, 3), id="negative is not set"),
        pytest.param(2**40, 0, 0, (2**31 - 1, 2**31 - 1), id="more than the message holds"),
    ],
)
def test_parallelism(session: int, intra: int, inter: int, expected: tuple[int, int]) -> None:
    """The flags in TensorFlow Serving's order of precedence; what is open follows the CPUs."""
    sessions = decide(
        tensorflow_session_parallelism=session,
        tensorflow_intra_op_parallelism=intra,
        tensorflow_inter_op_parallelism=inter,
    )
    assert threads(sessions) == expected


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_any_threads_fit_the_message(session: int, intra: int, inter: int) -> None:
    """Every number a flag can have is a positive number of threads."""
    given = {
        "tensorflow_session_parallelism": session,
        "tensorflow_intra_op_parallelism": intra,
        "tensorflow_inter_op_parallelism": inter,
    }
    assert all(1 <= number < 2**31 for number in threads(decide(**given)))


def test_session_config_file(tmp_path: Path) -> None:
    """The file's fields are taken, save for threads and GPU memory, which the flags overwrite also when not given."""
    text = (
        "allow_soft_placement: true intra_op_parallelism_threads: 9 inter_op_parallelism_threads: 9 "
        "gpu_options { allow_growth: true per_process_gpu_memory_fraction: 0.5 }"
    )
    sessions = decide(tensorflow_session_config_file=written(tmp_path, text), tensorflow_inter_op_parallelism=2)
    assert sessions.config.allow_soft_placement
    assert sessions.config.gpu_options.allow_growth
    assert sessions.config.gpu_options.per_process_gpu_memory_fraction == 0.0
    assert threads(sessions) == (CPUS, 2)


def test_gpu_memory_fraction() -> None:
    """The flag is the field."""
    assert decide(per_process_gpu_memory_fraction=0.25).config.gpu_options.per_process_gpu_memory_fraction == 0.25


@pytest.mark.parametrize(
    ("fraction", "grows"), [pytest.param(0.0, True, id="default"), pytest.param(0.25, False, id="share")]
)
def test_gpu_memory_growth(fraction: float, grows: bool) -> None:
    """Memory is taken as it is needed, unless a share of it was named."""
    assert decide(per_process_gpu_memory_fraction=fraction).config.gpu_options.allow_growth is grows


def test_gpu_memory_growth_of_a_file_stays(tmp_path: Path) -> None:
    """Who asks for growth gets it also with a share, which is then the most that is taken."""
    path = written(tmp_path, "gpu_options { allow_growth: true }")
    options = decide(tensorflow_session_config_file=path, per_process_gpu_memory_fraction=0.5).config.gpu_options
    assert (options.allow_growth, options.per_process_gpu_memory_fraction) == (True, 0.5)


@pytest.mark.parametrize(
    ("fraction", "grows"), [pytest.param("", True, id="none"), pytest.param("0.5", False, id="share")]
)
def test_gpu_memory_growth_of_a_platform(tmp_path: Path, fraction: str, grows: bool) -> None:
    """A platform configuration follows the same rule."""
    options = f"gpu_options {{ per_process_gpu_memory_fraction: {fraction} }}" if fraction else ""
    path = written(tmp_path, platform(f"session_config {{ {options} }}"))
    assert decide(platform_config_file=path).config.gpu_options.allow_growth is grows


@pytest.mark.parametrize(
    "flag", ["tensorflow_session_config_file", "platform_config_file", "thread_pool_factory_config_file"]
)
def test_unparsable_files(tmp_path: Path, flag: str) -> None:
    """The text begins as for every such file."""
    path = written(tmp_path, "nonsense")
    code, text = refusal(**{flag: path})
    assert code is Code.INVALID_ARGUMENT
    assert text.startswith(f"Invalid protobuf file: '{path}'")


def test_mixed_precision(caplog: pytest.LogCaptureFixture) -> None:
    """bfloat16 turns one of grappler's options on, and the log says so."""
    with caplog.at_level(logging.INFO, "serving"):
        options = decide(mixed_precision="bfloat16").config.graph_options.rewrite_options
    assert options.auto_mixed_precision_onednn_bfloat16 == 1
    assert caplog.messages == ["Running inference with bfloat16 auto mixed precision"]


def test_unknown_mixed_precision_only_warns(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is set."""
    assert not decide(mixed_precision="float16").config.HasField("graph_options")
    assert caplog.messages == ["float16 auto mixed precision is not supported. Valid option: bfloat16"]


@pytest.mark.parametrize(
    ("flag", "tags"),
    [
        pytest.param("serve", ("serve",), id="default"),
        pytest.param("", ("serve",), id="empty"),
        pytest.param("serve,gpu", ("serve", "gpu"), id="several"),
    ],
)
def test_tags(flag: str, tags: tuple[str, ...]) -> None:
    """A list separated by commas; nothing is ``serve``."""
    assert decide(saved_model_tags=flag).tags == tags


def test_thread_pool_factories_are_refused(tmp_path: Path) -> None:
    """There are none, whatever the file names."""
    text = f"thread_pool_factory_config {{ [{BUNDLE}] {{ legacy_config {{ enable_model_warmup: true }} }} }}"
    code, shown = refusal(thread_pool_factory_config_file=written(tmp_path, text))
    assert code is Code.INVALID_ARGUMENT
    name = BUNDLE.partition("/")[2]
    assert shown.startswith(f"Couldn't find factory for config proto message type {name}\nconfig=[{BUNDLE}]")


def test_a_platform_replaces_flags(tmp_path: Path) -> None:
    """Session, tags, warm-up, batching and precision come from the file, and not from the flags beside it."""
    text = platform(
        'session_config { intra_op_parallelism_threads: 3 } saved_model_tags: ["a", "b"] mixed_precision: "bfloat16" '
        "model_warmup_options { num_request_iterations { value: 4 } } "
        "batching_parameters { max_batch_size { value: 32 } allowed_batch_sizes: 32 }"
    )
    sessions = decide(
        platform_config_file=written(tmp_path, text),
        tensorflow_intra_op_parallelism=1,
        tensorflow_session_config_file="/not/there",
        saved_model_tags="x",
        enable_model_warmup=True,
        batching_parameters_file="/not/there",
    )
    assert (threads(sessions), sessions.tags) == ((3, CPUS), ("a", "b"))
    assert sessions.config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 == 1
    assert sessions.settings.enable_batching
    assert not sessions.settings.batching_parameters_file
    assert sessions.batching_parameters.max_batch_size.value == 32
    assert sessions.settings.num_request_iterations_for_warmup == 4
    assert not sessions.settings.enable_model_warmup


def test_an_empty_platform_has_tensorflows_defaults(tmp_path: Path) -> None:
    """Without fields: no warm-up, no batching, the tag ``serve``."""
    sessions = decide(platform_config_file=written(tmp_path, platform("")), enable_batching=True)
    assert (sessions.tags, sessions.platforms) == (("serve",), frozenset({"tensorflow"}))
    assert sessions.batching_parameters is None
    assert not sessions.settings.enable_batching


def test_other_platforms_serve_no_tensorflow_models(tmp_path: Path) -> None:
    """Models of a platform that the file does not have are refused elsewhere; here it is left out."""
    text = 'platform_configs { key: "other" value {} }'
    assert decide(platform_config_file=written(tmp_path, text)).platforms == frozenset()


def test_a_platform_of_another_kind_is_refused(tmp_path: Path) -> None:
    """The error names what was given and what was expected."""
    text = 'platform_configs { key: "tensorflow" value {} }'
    code, shown = refusal(platform_config_file=written(tmp_path, text))
    assert code is Code.INVALID_ARGUMENT
    assert "with nothing; expected tensorflow.serving.SavedModelBundleSourceAdapterConfig" in shown


def test_fields_without_effect_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A setting that does nothing is not passed over in silence."""
    path = written(tmp_path, platform('session_target: "grpc://x" enable_session_metadata: true'))
    decide(platform_config_file=path)
    assert caplog.messages == [f"'{path}' sets session_target, enable_session_metadata, which changes nothing here"]
