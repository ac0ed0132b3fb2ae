"""The flag table and its syntax."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.settings import FLAGS, BadFlagError, CommandLine, Flag, parse, usage

CPUS = 3

TENSORFLOW_SERVINGS = {
    # name: type, default ("4x": times the CPUs)
    "port": ("int32", 8500),
    "grpc_socket_path": ("string", ""),
    "grpc_channel_arguments": ("string", ""),
    "grpc_max_threads": ("int32", "4x"),
    "enable_grpc_healthcheck_service": ("bool", False),
    "enable_profiler": ("bool", True),
    "use_alts_credentials": ("bool", False),
    "ssl_config_file": ("string", ""),
    "enable_serialization_as_tensor_content": ("bool", False),
    "rest_api_port": ("int32", 0),
    "rest_api_num_threads": ("int32", "4x"),
    "rest_api_timeout_in_ms": ("int32", 30000),
    "rest_api_enable_cors_support": ("bool", False),
    "model_name": ("string", "default"),
    "model_base_path": ("string", ""),
    "model_config_file": ("string", ""),
    "model_config_file_poll_wait_seconds": ("int32", 0),
    "file_system_poll_wait_seconds": ("int32", 1),
    "allow_version_labels_for_unavailable_models": ("bool", False),
    "num_load_threads": ("int32", 0),
    "num_unload_threads": ("int32", 0),
    "max_num_load_retries": ("int32", 5),
    "load_retry_interval_micros": ("int64", 60000000),
    "flush_filesystem_caches": ("bool", True),
    "saved_model_tags": ("string", "serve"),
    "enable_model_warmup": ("bool", True),
    "num_request_iterations_for_warmup": ("int32", 0),
    "remove_unused_fields_from_bundle_metagraph": ("bool", True),
    "enable_signature_method_name_check": ("bool", False),
    "platform_config_file": ("string", ""),
    "prefer_tflite_model": ("bool", False),
    "num_tflite_pools": ("int32", "1x"),
    "num_tflite_interpreters_per_pool": ("int32", 1),
    "enable_batching": ("bool", False),
    "batching_parameters_file": ("string", ""),
    "enable_per_model_batching_parameters": ("bool", False),
    "tensorflow_session_parallelism": ("int64", 0),
    "tensorflow_intra_op_parallelism": ("int64", 0),
    "tensorflow_inter_op_parallelism": ("int64", 0),
    "tensorflow_session_config_file": ("string", ""),
    "per_process_gpu_memory_fraction": ("float", 0.0),
    "mixed_precision": ("string", ""),
    "xla_cpu_compilation_enabled": ("bool", False),
    "xla_gpu_compilation_enabled": ("bool", False),
    "thread_pool_factory_config_file": ("string", ""),
    "skip_initialize_tpu": ("bool", False),
    "monitoring_config_file": ("string", ""),
    "version": ("bool", False),
}
BY_NAME = {flag.name: flag for flag in FLAGS}


def parsed(*arguments: str) -> CommandLine:
    """A command line on a machine with three CPUs."""
    return parse(arguments, CPUS)


def test_tensorflow_serving_has_48_flags() -> None:
    """Each of them is a flag here, and every other one is marked as ours."""
    assert len(TENSORFLOW_SERVINGS) == 48
    assert {flag.name for flag in FLAGS if not flag.ours} == TENSORFLOW_SERVINGS.keys()


@pytest.mark.parametrize("name", TENSORFLOW_SERVINGS)
def test_type_and_default_are_tensorflow_servings(name: str) -> None:
    """What a flag is when nobody gives it, on this machine."""
    kind, default = TENSORFLOW_SERVINGS[name]
    if isinstance(default, str) and default.endswith("x"):
        default = int(default[:-1]) * CPUS
    value = getattr(parsed().settings, name)
    assert (BY_NAME[name].kind, value, type(value)) == (kind, default, type(default))


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_flag_explains_itself(flag: Flag) -> None:
    """A flag has a group and a help text that ends as a sentence."""
    assert flag.group
    assert flag.help.endswith(".")


@pytest.mark.parametrize(
    ("arguments", "name", "expected"),
    [
        pytest.param(["--model_name=m"], "model_name", "m", id="string"),
        pytest.param(["--model_name="], "model_name", "", id="empty string"),
        pytest.param(["--model_name=a=b --c"], "model_name", "a=b --c", id="everything after the first ="),
        pytest.param(["--model_name=a", "--model_name=b"], "model_name", "b", id="the last one wins"),
        pytest.param(["--shadow=a:1:1", "--shadow=b:2:1"], "shadow", "a:1:1,b:2:1", id="one that is repeated"),
        pytest.param(["--version", "--version=false"], "version", False, id="the last bool wins"),
        pytest.param(["--enable_batching"], "enable_batching", True, id="bare bool"),
        pytest.param(["--enable_batching=TRUE"], "enable_batching", True, id="any case"),
        pytest.param(["--enable_batching=1"], "enable_batching", True, id="1"),
        pytest.param(["--enable_profiler=False"], "enable_profiler", False, id="false"),
        pytest.param(["--enable_profiler=0"], "enable_profiler", False, id="0"),
        pytest.param(["--port=-1"], "port", -1, id="negative"),
        pytest.param(["--port=+7"], "port", 7, id="plus"),
        pytest.param(["--port= 7"], "port", 7, id="blank before"),
        pytest.param(["--port=007"], "port", 7, id="decimal, not octal"),
        pytest.param(["--port=2147483647"], "port", 2**31 - 1, id="greatest int32"),
        pytest.param(["--port=-2147483648"], "port", -(2**31), id="least int32"),
        pytest.param(
            ["--load_retry_interval_micros=9223372036854775807"],
            "load_retry_interval_micros",
            2**63 - 1,
            id="greatest int64",
        ),
        pytest.param(["--per_process_gpu_memory_fraction=0.5"], "per_process_gpu_memory_fraction", 0.5, id="float"),
        pytest.param(["--per_process_gpu_memory_fraction=.5e-1"], "per_process_gpu_memory_fraction", 0.05, id="e"),
        pytest.param(["--per_process_gpu_memory_fraction=1"], "per_process_gpu_memory_fraction", 1.0, id="whole float"),
        pytest.param(["--grpc_max_threads=1"], "grpc_max_threads", 1, id="instead of the CPUs"),
    ],
)
def test_accepted(arguments: list[str], name: str, expected: object) -> None:
    """``--name=value`` sets the value; nothing is left over."""
    command_line = parsed(*arguments)
    assert getattr(command_line.settings, name) == expected
    assert command_line.unknown == ()
    assert command_line.given == {name}


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [
        pytest.param(["--model_name", "m"], ("--model_name", "m"), id="value apart"),
        pytest.param(["-port=1"], ("-port=1",), id="one dash"),
        pytest.param(["port=1"], ("port=1",), id="no dash"),
        pytest.param(["--noenable_profiler"], ("--noenable_profiler",), id="no-form"),
        pytest.param(["--Port=1"], ("--Port=1",), id="case"),
        pytest.param(["--portt=1", "--por=1"], ("--portt=1", "--por=1"), id="longer and shorter"),
        pytest.param(["--use_tflite_model"], ("--use_tflite_model",), id="not a flag"),
        pytest.param(["--", "--port=1", "x"], ("--", "--port=1", "x"), id="from -- on"),
        pytest.param([""], ("",), id="empty"),
        pytest.param(["--="], ("--=",), id="no name"),
        pytest.param(["--help"], ("--help",), id="help"),
    ],
)
def test_passed_over(arguments: list[str], unknown: tuple[str, ...]) -> None:
    """What is not understood is kept in its order and changes nothing."""
    command_line = parsed(*arguments)
    assert (command_line.unknown, command_line.settings, command_line.given) == (
        unknown,
        parsed().settings,
        frozenset(),
    )


def test_flags_after_unknown_arguments_count() -> None:
    """Parsing goes on behind what is not understood."""
    command_line = parsed("x", "--port=1", "--y")
    assert (command_line.settings.port, command_line.unknown) == (1, ("x", "--y"))


@pytest.mark.parametrize(
    ("argument", "name", "value"),
    [
        pytest.param("--port=", "port", "", id="empty int"),
        pytest.param("--port=abc", "port", "abc", id="no int"),
        pytest.param("--port=1x", "port", "1x", id="trailing character"),
        pytest.param("--port=1 ", "port", "1 ", id="trailing blank"),
        pytest.param("--port=1.0", "port", "1.0", id="float for int"),
        pytest.param("--port=0x10", "port", "0x10", id="hexadecimal"),
        pytest.param("--port=2147483648", "port", "2147483648", id="beyond int32"),
        pytest.param(
            "--load_retry_interval_micros=9223372036854775808", "load_retry_interval_micros", str(2**63), id="int64"
        ),
        pytest.param("--port=" + "9" * 5000, "port", "9" * 5000, id="thousands of digits"),
        pytest.param("--port=\x1c1", "port", "\x1c1", id="blank that is none in ASCII"),
        pytest.param("--port=\u0661", "port", "\u0661", id="digits of another script"),
        pytest.param("--version=yes", "version", "yes", id="bool"),
        pytest.param("--version=", "version", "", id="empty bool"),
        pytest.param("--version=2", "version", "2", id="number for bool"),
        pytest.param("--per_process_gpu_memory_fraction=1e", "per_process_gpu_memory_fraction", "1e", id="float"),
        pytest.param("--per_process_gpu_memory_fraction=.", "per_process_gpu_memory_fraction", ".", id="point"),
    ],
)
def test_refused(argument: str, name: str, value: str) -> None:
    """A value that does not fit is TensorFlow's sentence, and what was expected."""
    with pytest.raises(BadFlagError) as raised:
        parsed(argument)
    assert str(raised.value).startswith(f"Couldn't interpret value {value} for flag {name}. Expected ")
    assert f"as in --{name}=" in str(raised.value)


@given(
    st.lists(
        st.text()
        | st.builds(
            "--{}={}".format, st.sampled_from(sorted(BY_NAME)), st.text() | st.integers().map(str) | st.floats()
        )
    )
)
def test_any_command_line_is_settings_or_a_bad_flag(arguments: list[str]) -> None:
    """Nothing but BadFlagError ever comes out, and every value has the type of its flag."""
    try:
        command_line = parsed(*arguments)
    except BadFlagError:
        return
    types = {"string": str, "bool": bool, "int32": int, "int64": int, "float": float}
    for flag in FLAGS:
        assert type(getattr(command_line.settings, flag.name)) is types[flag.kind]
    assert len(command_line.unknown) <= len(arguments)


def test_usage_layout() -> None:
    """Program, ``Flags:``, then a line per flag: tab, name and default padded to 33, tab, type, tab, help."""
    first, second, *rest = usage("server", CPUS).splitlines()
    assert (first, second) == ("usage: server", "Flags:")
    assert len(rest) == len(FLAGS)
    for line, flag in zip(rest, FLAGS, strict=True):
        empty, name, kind, help_text = line.split("\t")
        assert empty == ""
        assert name.startswith(f"--{flag.name}=")
        assert len(name) == max(33, len(name.rstrip()))
        assert (kind, help_text.startswith(flag.help)) == (flag.kind, True)


@pytest.mark.parametrize(
    "shown",
    ['--model_name="default"', '--model_base_path=""', "--port=8500", "--version=false", "--grpc_max_threads=12"],
)
def test_usage_shows_the_defaults(shown: str) -> None:
    """Strings are quoted, bools are words, defaults that follow the CPUs are worked out."""
    assert f"\t{shown} " in usage("server", CPUS)


def test_usage_ends_in_a_newline() -> None:
    """The shell's prompt gets its own line."""
    assert usage("server", CPUS).endswith(".\n") or usage("server", CPUS).endswith(")\n")


def test_usage_tells_what_does_nothing() -> None:
    """A flag that is only accepted says so in its line."""
    for flag in FLAGS:
        if flag.note:
            assert f"{flag.help} ({flag.note})\n" in usage("server", CPUS)


def test_settings_are_for_the_life_of_a_server() -> None:
    """They cannot be changed, and what is made of them by ``replaced`` leaves them as they were."""
    settings = parse(["--port=1"], CPUS).settings
    other = settings.replaced(port=2)
    assert (settings.port, other.port, other.replaced(port=1)) == (1, 2, settings)
    with pytest.raises(AttributeError, match="port"):
        settings.port = 3  # type: ignore[misc]
    with pytest.raises(TypeError, match="prot"):
        settings.replaced(prot=1)


def test_a_mistyped_flag_is_told_without_what_takes_long_to_import() -> None:
    """What tells it takes about as long as Python takes to start; one of these modules alone would add a third."""
    code = (
        "import sys; from serving.cli import main; main(['--prot=1'])\n"
        "heavy = {'asyncio', 'ctypes', 'dataclasses', 'datetime', 'inspect', 'json', 'numpy', 'pathlib', 'socket'}\n"
        "sys.exit(f'loaded: {sorted(heavy & sys.modules.keys())}')"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    *_, meant, loaded = told.stderr.splitlines()
    assert meant.endswith("Did you mean --port=1?")
    assert loaded == "loaded: []"
