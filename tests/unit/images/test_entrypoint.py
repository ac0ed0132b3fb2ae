"""The entrypoint script by itself, with a program in the server's place that prints its arguments. Needs no Docker."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.properties import examples

ENTRYPOINT = Path(__file__).parents[3] / "build" / "images" / "entrypoint.sh"


class Entrypoint:
    """Runs the script in a world of its own: a stand-in server and a directory of models."""

    def __init__(self, root: Path) -> None:
        self.models = root / "models"
        self.models.mkdir()
        self.programs = root / "bin"
        self.programs.mkdir()
        server = self.programs / "tensorflow_model_server"
        server.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
        server.chmod(0o755)

    def run(self, *arguments: str, name: str = "resnet", **environment: str) -> "subprocess.CompletedProcess[str]":
        surroundings = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "MODEL_BASE_PATH": str(self.models),
            "MODEL_NAME": name,
            **environment,
        }
        command = [str(ENTRYPOINT), *arguments]
        done = subprocess.run(command, env=surroundings, capture_output=True, timeout=30, check=False)
        # Decoded here: text mode would turn a carriage return in a name into a line feed.
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    def add_version(self, name: str) -> None:
        (self.models / name / "1").mkdir(parents=True)


@pytest.fixture
def entrypoint(tmp_path: Path) -> Entrypoint:
    return Entrypoint(tmp_path)


def test_serves_the_model_of_the_environment(entrypoint: Entrypoint) -> None:
    """Without arguments the server gets both ports and the model that the variables name, and nothing is said."""
    entrypoint.add_version("resnet")
    done = entrypoint.run()
    base_path = entrypoint.models / "resnet"
    assert done.stdout.rstrip("\0").split("\0") == [
        "--port=8500",
        "--rest_api_port=8501",
        "--model_name=resnet",
        f"--model_base_path={base_path}",
    ]
    assert (done.returncode, done.stderr) == (0, "")


def test_flags_come_last(entrypoint: Entrypoint) -> None:
    """Flags of `docker run` follow the image's own, for the last of equal flags wins."""
    entrypoint.add_version("resnet")
    done = entrypoint.run("--port=9", "--rest_api_timeout_in_ms=5000")
    assert done.stdout.rstrip("\0").split("\0")[-2:] == ["--port=9", "--rest_api_timeout_in_ms=5000"]


def test_another_command_runs_instead(entrypoint: Entrypoint) -> None:
    """An argument that is no flag is a command, run as it is and with its own status."""
    done = entrypoint.run("sh", "-c", "echo only me; exit 7")
    assert (done.stdout, done.stderr, done.returncode) == ("only me\n", "", 7)


@pytest.mark.parametrize(
    ("arguments", "environment", "port"),
    [
        pytest.param(["serve"], {}, 8080, id="the argument"),
        pytest.param(["serve"], {"SAGEMAKER_BIND_TO_PORT": "9001"}, 9001, id="the argument and a port"),
        pytest.param([], {"SAGEMAKER_BIND_TO_PORT": "9001"}, 9001, id="a port"),
        pytest.param([], {"SAGEMAKER_MULTI_MODEL": "true"}, 8080, id="multi-model"),
        pytest.param([], {"SAGEMAKER_TFS_DEFAULT_MODEL_NAME": "m"}, 8080, id="a model"),
        pytest.param([], {"SAGEMAKER_SAFE_PORT_RANGE": "1-9"}, 8080, id="ports"),
    ],
)
def test_sagemaker(entrypoint: Entrypoint, arguments: list[str], environment: dict[str, str], port: int) -> None:
    """The server looks for the models itself, and has no flag that wins over SageMaker's variables but the port."""
    done = entrypoint.run(*arguments, "--enable_batching", **environment)
    assert done.stdout.rstrip("\0").split("\0") == ["serve", f"--rest_api_port={port}", "--enable_batching"]
    assert (done.returncode, done.stderr) == (0, "")


def test_vertex_ai(entrypoint: Entrypoint) -> None:
    """Its port is the REST port; its directory is for the server to read, and no other is looked for."""
    done = entrypoint.run(AIP_HTTP_PORT="9002", AIP_STORAGE_URI="/elsewhere")
    assert done.stdout.rstrip("\0").split("\0") == ["--port=8500", "--rest_api_port=9002", "--model_name=resnet"]
    assert (done.returncode, done.stderr) == (0, "")


def test_vertex_ai_with_the_model_in_the_image(entrypoint: Entrypoint) -> None:
    """Without a directory of its own the image's variables name the model."""
    entrypoint.add_version("resnet")
    done = entrypoint.run(AIP_HTTP_PORT="9002", AIP_STORAGE_URI="")
    assert done.stdout.endswith(
        f"--rest_api_port=9002\0--model_name=resnet\0--model_base_path={entrypoint.models}/resnet\0"
    )


def test_the_servers_status_is_the_containers(entrypoint: Entrypoint) -> None:
    """The server replaces the script, so its status is what Docker sees."""
    entrypoint.add_version("resnet")
    (entrypoint.programs / "tensorflow_model_server").write_text("#!/bin/sh\nexit 255\n")
    assert entrypoint.run().returncode == 255


@pytest.mark.parametrize("variable", ["MODEL_NAME", "MODEL_BASE_PATH"])
def test_an_empty_variable_ends_it(entrypoint: Entrypoint, variable: str) -> None:
    """An empty setting is an error that names the variable and the option to give."""
    done = entrypoint.run(**{variable: ""})
    assert (done.returncode, done.stdout) == (255, "")
    assert f"{variable} is empty" in done.stderr
    assert f"docker run -e {variable}=" in done.stderr


def test_empty_variables_do_not_matter_to_a_config_file(entrypoint: Entrypoint) -> None:
    """With --model_config_file the variables are not looked at."""
    done = entrypoint.run("--model_config_file=/models/models.config", name="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("--model_config_file=/models/models.config\0")


def test_making_a_key_needs_no_model(entrypoint: Entrypoint) -> None:
    """Nothing is said about models that are not there."""
    done = entrypoint.run("--make_api_key=a", name="")
    assert done.returncode == 0
    assert done.stdout.endswith("--make_api_key=a\0")
    assert done.stderr == ""


def test_a_missing_model_is_explained(entrypoint: Entrypoint) -> None:
    """The warning tells what was looked for and what is there, and the server starts all the same."""
    for name in ("inception", "half plus two"):
        entrypoint.add_version(name)
    done = entrypoint.run()
    assert f"no model directory {entrypoint.models}/resnet" in done.stderr
    assert f"{entrypoint.models} contains: half plus two inception." in done.stderr
    assert "docker run -e MODEL_NAME=half plus two ... IMAGE" in done.stderr
    assert "--model_name=resnet" in done.stdout


def test_a_missing_mount_is_explained(entrypoint: Entrypoint) -> None:
    """Where there is no model at all, the warning shows how one is mounted."""
    entrypoint.models.mkdir(exist_ok=True)
    done = entrypoint.run()
    assert f"docker run -v /path/to/resnet:{entrypoint.models}/resnet -e MODEL_NAME=resnet IMAGE" in done.stderr


def test_a_mount_one_level_too_deep_is_explained(entrypoint: Entrypoint) -> None:
    """A model without a numbered directory is the usual mistake; the warning shows the path that is expected."""
    (entrypoint.models / "resnet" / "variables").mkdir(parents=True)
    (entrypoint.models / "resnet" / "saved_model.pb").touch()
    done = entrypoint.run()
    assert "resnet contains: saved_model.pb variables." in done.stderr
    assert f"{entrypoint.models}/resnet/1/saved_model.pb" in done.stderr
    assert f"docker run -v /path/to/resnet:{entrypoint.models}/resnet/1 " in done.stderr


def test_long_listings_are_cut(entrypoint: Entrypoint) -> None:
    """Of many models the first ten are named and the others counted."""
    for number in range(25):
        entrypoint.add_version(f"model{number:02}")
    done = entrypoint.run()
    assert "model09 and 15 more." in done.stderr
    assert "model10" not in done.stderr


def test_other_file_systems_are_not_looked_at(entrypoint: Entrypoint) -> None:
    """A gs:// path cannot be checked by a script, so nothing is said of it."""
    done = entrypoint.run(MODEL_BASE_PATH="gs://bucket/models")
    assert done.stderr == ""
    assert "--model_base_path=gs://bucket/models/resnet\0" in done.stdout


@pytest.mark.parametrize("url", ["https://h/resnet.tar.gz", "https://h/m.zip?signature=x", "s3://b/m.tgz"])
def test_an_archive_is_the_model_itself(entrypoint: Entrypoint, url: str) -> None:
    """The model's name is not added to its address."""
    done = entrypoint.run(MODEL_BASE_PATH=url)
    assert done.stderr == ""
    assert f"--model_base_path={url}\0" in done.stdout


def test_an_unwritable_temporary_directory_is_replaced(entrypoint: Entrypoint, tmp_path: Path) -> None:
    """Where TMPDIR cannot be written to, memory's directory is used, as `docker run --read-only` has it."""
    done = entrypoint.run("sh", "-c", 'echo "$TMPDIR"', TMPDIR=str(tmp_path / "absent"))
    assert done.stdout == "/dev/shm\n"


def test_sourcing_runs_nothing(entrypoint: Entrypoint, tmp_path: Path) -> None:
    """A script that extends the image can use the functions without starting the server."""
    script = tmp_path / "extend.sh"
    script.write_text(f'source "{ENTRYPOINT}"\nwants_server --port=1 && ! wants_server bash && echo "usable"\n')
    done = entrypoint.run("bash", str(script))
    assert (done.returncode, done.stdout) == (0, "usable\n")


def test_controls_are_not_passed_on(entrypoint: Entrypoint) -> None:
    """A directory's name begins no line of the log and sends nothing to a terminal."""
    entrypoint.add_version("x\n2026-01-01: E forged\x1b[31m")
    done = entrypoint.run()
    assert "x?2026-01-01: E forged?[31m" in done.stderr
    assert all(line.startswith("tf_serving_entrypoint: ") for line in done.stderr.splitlines())


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "<&- >&- 2>&-", "2> >(exec true)"])
def test_standard_error_that_takes_nothing(entrypoint: Entrypoint, tmp_path: Path, redirection: str) -> None:
    """The warning is lost, and the server starts."""
    started = tmp_path / "started"
    (entrypoint.programs / "tensorflow_model_server").write_text(f"#!/bin/sh\ntouch {started}\n")
    done = entrypoint.run("bash", "-c", f"{ENTRYPOINT} {redirection}; exit 7")
    assert (done.returncode, started.exists()) == (7, True)


def test_a_signal_waits_for_the_servers_first_line(entrypoint: Entrypoint) -> None:
    """SIGTERM and SIGINT are blocked when the server begins, so that none is lost before its handlers are there."""
    (entrypoint.programs / "tensorflow_model_server").write_text(
        "#!/usr/bin/env bash\nexec grep SigBlk: /proc/self/status\n"
    )
    blocked = int(entrypoint.run().stdout.split()[1], 16)
    assert blocked == 1 << signal.SIGTERM - 1 | 1 << signal.SIGINT - 1


def test_a_signal_while_the_script_runs(entrypoint: Entrypoint, tmp_path: Path) -> None:
    """It is not lost: the server begins with it, and ends the process in its own way."""
    check = tmp_path / "check"
    check.write_text("#!/bin/sh\nkill -TERM $PPID\n")
    check.chmod(0o755)
    (entrypoint.programs / "tensorflow_model_server").write_text(
        "#!/usr/bin/env bash\nexec grep Pnd: /proc/self/status\n"
    )
    pending = entrypoint.run(CHECK_CPU=str(check)).stdout.split()
    assert f"{1 << signal.SIGTERM - 1:016x}" in pending


def test_other_commands_get_their_signals(entrypoint: Entrypoint) -> None:
    """None is blocked or ignored for them."""
    done = entrypoint.run("grep", "-E", "Sig(Blk|Ign):", "/proc/self/status")
    blocked, ignored = (int(word, 16) for word in done.stdout.split()[1::2])
    assert blocked == 0
    assert not ignored & (1 << signal.SIGTERM - 1 | 1 << signal.SIGPIPE - 1)


def test_a_command_that_is_not_there(entrypoint: Entrypoint) -> None:
    """The shell's own status and words."""
    done = entrypoint.run("no_such_command")
    assert done.returncode == 127
    assert "no_such_command: not found" in done.stderr
    assert "Traceback" not in done.stderr


@given(name=st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=20))
@settings(examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_arrives_unchanged(entrypoint: Entrypoint, name: str) -> None:
    """Blanks, quotes, stars and line ends in MODEL_NAME are not the shell's to interpret."""
    done = entrypoint.run(name=name)
    arguments = done.stdout.rstrip("\0").split("\0")
    assert arguments[2:] == [f"--model_name={name}", f"--model_base_path={entrypoint.models}/{name}"]
