"""The command line's own answers: versions, usage, bad flags. Serving is tested at the doors."""

import subprocess
import sys
from pathlib import Path

import pytest

import serving
from serving.cli import main
from serving.host.cpus import usable_cpus
from serving.settings import usage

ROOT = Path(__file__).parents[2]
USAGE = usage("tensorflow_model_server", usable_cpus())


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, for it sets up logging; with arguments that end it before it serves."""
    return subprocess.run(
        [sys.executable, "-m", "serving", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    """Two lines, and success."""
    assert main(["--version"]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert first == f"TensorFlow ModelServer: {serving.__version__}"
    assert second.startswith("TensorFlow Library: 2.")


@pytest.mark.parametrize("arguments", [["--help"], ["--port=1", "--help"], ["--help", "x"], ["--help", "--version"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The usage text alone on standard output, and status 255, if it is the first unknown argument."""
    assert main(arguments) == 255
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (USAGE, "")


def test_bad_value(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence goes to standard error, the usage text to standard output."""
    assert main(["--port=eight", "--version"]) == 255
    captured = capsys.readouterr()
    assert captured.err.startswith("Couldn't interpret value eight for flag port.")
    assert captured.out == USAGE


def test_version_in_spite_of_unknown_arguments(capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for the version gets it, and nothing else."""
    assert main(["x", "--version"]) == 0
    assert capfd.readouterr().out.startswith("TensorFlow ModelServer: ")


def test_unknown_argument_is_shown_and_passed_over() -> None:
    """The first one with the usage text, all of them in the log; then the start goes on, here to its next error."""
    result = run("--model", "m")
    first, rest = result.stdout.split("\n", 1)
    assert first == "unknown argument: --model"
    assert rest.startswith(USAGE)
    assert "Failed to start server. Error: INVALID_ARGUMENT: Both server_options" in rest
    *_, last = result.stderr.splitlines()
    assert "Argument --model m is not understood and passed over. " in last
    assert result.returncode == 255


def test_accepted_flag_without_effect_is_told() -> None:
    """A flag that does nothing here says so in the log, once it is given."""
    result = run("--skip_initialize_tpu")
    assert "--skip_initialize_tpu: accepted; without effect" in result.stderr
    assert "--use_alts_credentials" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(
            [],
            "INVALID_ARGUMENT: Both server_options.model_base_path and server_options.model_config_file are empty!",
            id="no model",
        ),
        pytest.param(
            ["--port=0", "--model_base_path=/m"],
            "INVALID_ARGUMENT: At least one of server_options.grpc_port or server_options.grpc_socket_path must be "
            "set.",
            id="no gRPC",
        ),
        pytest.param(
            ["--model_base_path=m"],
            "INVALID_ARGUMENT: Expected model default to have an absolute path or URI; got base_path()=m",
            id="relative path",
        ),
    ],
)
def test_start_that_cannot_succeed(arguments: list[str], text: str) -> None:
    """The reason is the last line on standard output, and the status is 255."""
    result = run(*arguments)
    assert (result.stdout.splitlines()[-1], result.returncode) == (f"Failed to start server. Error: {text}", 255)
    assert "Traceback" not in result.stderr


MEANT = [
    pytest.param(["--port", "24500"], "Write --port=24500, with = and without a blank.", id="blank"),
    pytest.param(["--rest_api_prot=8501"], "Did you mean --rest_api_port=8501?", id="typo"),
    pytest.param(["--noenable_batching"], "Write --enable_batching=false.", id="negation"),
    pytest.param(["/models/m"], "Did you mean --model_base_path=/models/m?", id="directory"),
]


@pytest.mark.parametrize(("arguments", "advice"), MEANT)
def test_what_was_meant_comes_last(arguments: list[str], advice: str) -> None:
    """Below the usage text, the reason and what to give, and before any library has been loaded."""
    result = run(*arguments)
    *_, model, meant = result.stderr.splitlines()
    assert model.endswith(
        "Give --model_name=NAME --model_base_path=/path/to/NAME, or --model_config_file=/path/to/models.config"
    )
    assert meant.endswith(f"Argument {' '.join(arguments)} is not understood and passed over. {advice}")


def test_wrong_flag_loads_no_library() -> None:
    """Neither numpy nor TensorFlow's library: it is told at once."""
    script = (
        "import sys; from serving.cli import main; status = main(['--optimize=Safe', '--model_base_path=/m']); "
        "print([name for name in ('numpy', 'google.protobuf', 'aiohttp', 'grpc', 'asyncio') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.stdout.splitlines() == [
        "Failed to start server. Error: INVALID_ARGUMENT: --optimize is 'Safe'; expected off, safe or fast",
        "[]",
    ]
