"""The way in: what `make help`, the README pages and the lock files promise is there."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = {"help", "install", "serve", "unit", "test", "walks", "test-all", "check", "bench", "bench-smoke", "docs"}
TARGETS |= {"lock", "devel", "image", "test-image", "check-gpu-lock", "soak-drain", "soak-models", "test-long", "fuzz"}
TARGETS |= {"soak", "faults", "dist", "docs-site", "screenshots", "test-arm"}
PAGES = ["README.md", "CHANGELOG.md", "examples/demo_models/README.md"]
LOCKS = ["requirements.lock", "requirements-dev.lock"]
ADDED = {"bench": "requirements-bench.lock", "docs": "requirements-docs.lock"}
"""What `make bench` and `make docs-site` add to the second one, by dependency group."""
EXTRA_LOCKS = {"stores": "requirements-stores.lock", "tracing": "requirements-tracing.lock"}
"""What images with an extra add to the first one, or to the one for GPUs."""
GPU_LOCK = "requirements-gpu.lock"
"""What the image's variant gpu has in place of the first one."""
EVERY_LOCK = [*LOCKS, *ADDED.values(), GPU_LOCK, *EXTRA_LOCKS.values()]


def make(*arguments: str) -> str:
    """What make prints."""
    command = ["make", "--no-print-directory", "-C", str(ROOT), *arguments]
    # As from a terminal, also when these tests run inside `make test`.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def commands(page: str) -> set[str]:
    """The targets of the make commands in a page: in code spans, and in the lines of its shell blocks."""
    text = (ROOT / page).read_text()
    found = re.findall(r"`make ([^`]*)`", text)
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        found += re.findall(r"^(?:[A-Z_]+=\S+ )*make (.*?)(?: +#.*)?$", block, re.MULTILINE)
    return {word for words in found for word in words.split() if "=" not in word}


def locked(lock: str) -> dict[str, list[str]]:
    """The environment markers of each package of a lock; "" for everywhere."""
    packages: dict[str, list[str]] = {}
    for name, marker in re.findall(r"^([\w.-]+)==[^ ;]+(?: ; (.*?))? \\$", (ROOT / lock).read_text(), re.MULTILINE):
        packages.setdefault(name, []).append(marker)
    return packages


def pins(lock: str) -> list[tuple[str, str]]:
    """Each package of a lock with its version; with several, if they depend on the machine."""
    return re.findall(r"^([\w.-]+)==([^ ;]+)", (ROOT / lock).read_text(), re.MULTILINE)


def names(requirements: list[Any]) -> set[str]:
    """The packages that requirements such as ``numpy>=2; python_version < '4'`` ask for; not those of other groups."""
    texts = [requirement for requirement in requirements if isinstance(requirement, str)]
    return {re.split(r"[^\w.-]", text)[0].lower().replace("_", "-") for text in texts}


def test_help_lists_every_target() -> None:
    """Each target is listed with what it does."""
    assert set(re.findall(r"^  ([a-z-]+) +\S", make("help"), re.MULTILINE)) == TARGETS


def test_help_is_the_default() -> None:
    """Plain make prints the help and does nothing."""
    assert make() == make("help")


def test_every_target_is_phony() -> None:
    """A file called like a target does not disable it."""
    assert set(re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()) == TARGETS


@pytest.mark.parametrize("page", [pytest.param(page, id=page) for page in PAGES])
def test_pages_name_targets_that_exist(page: str) -> None:
    """Every make command in a page is one of the targets."""
    found = commands(page)
    assert found
    assert found <= TARGETS


def test_readme_opens_with_the_two_commands() -> None:
    """The first shell block of the README is `make serve` and `make test`, and nothing else."""
    first = (ROOT / "README.md").read_text().split("```sh\n")[1].split("```")[0]
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["serve", "test"]
    assert len(first.splitlines()) == 2


@pytest.mark.parametrize("page", [pytest.param(page, id=page) for page in PAGES])
def test_links_lead_somewhere(page: str) -> None:
    """Relative links in a page lead to files of the repository."""
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("lock", [pytest.param(lock, id=lock) for lock in EVERY_LOCK])
def test_locks_name_no_place(lock: str) -> None:
    """A lock has no address and no path, for the next machine may reach neither."""
    assert re.findall(r".*(?:://|file:|--find-links|index-url| @ |^/).*", (ROOT / lock).read_text()) == []


@pytest.mark.parametrize("lock", [pytest.param(lock, id=lock) for lock in EVERY_LOCK])
def test_locks_are_hashed(lock: str) -> None:
    """Each package is followed by at least one hash."""
    text = (ROOT / lock).read_text()
    pins = re.findall(r"^[\w.-]+==.*$", text, re.MULTILINE)
    assert len(pins) > 10
    assert len(re.findall(r"^[\w.-]+==.* \\\n +--hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)) == len(pins)


def test_the_gpu_lock_has_the_servers_packages_and_cudas() -> None:
    """The full TensorFlow stands in place of the one for CPUs; what both locks have is of one version."""
    cpu: dict[str, set[str]] = {}
    for name, version in pins(LOCKS[0]):
        cpu.setdefault(name, set()).add(version)
    gpu = dict(pins(GPU_LOCK))
    cuda = {name for name in gpu if name.startswith("nvidia-")}
    openvino = {"openvino", "openvino-telemetry"}  # computes on CPUs
    assert {name for name in cpu if gpu.get(name) not in cpu[name]} == {"tensorflow-cpu"} | openvino
    assert {gpu["tensorflow"]} == cpu["tensorflow-cpu"]
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12"} <= cuda
    assert set(gpu) - set(cpu) - cuda == set()


@pytest.mark.parametrize("lock", [pytest.param(lock, id=lock) for lock in LOCKS])
def test_locks_have_no_full_tensorflow(lock: str) -> None:
    """On x86-64 the CPU wheel is installed and the full one is not, whoever asks for it."""
    packages = locked(lock)
    assert packages["tensorflow"] == ["platform_machine != 'x86_64'"]
    assert packages["tensorflow-cpu"] == ["platform_machine == 'x86_64'"]


def test_locks_cover_the_dependencies() -> None:
    """Everything that pyproject.toml asks for is locked: the server's and its second engine in both, the rest later."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    dependencies = names(project["dependencies"] + project["optional-dependencies"]["openvino"])
    groups = pyproject["dependency-groups"]
    extras = names(groups["stores"]) | names(groups["tracing"])
    development = names(groups["dev"]) | extras | names(pyproject["build-system"]["requires"])
    server, everything = (locked(lock) for lock in LOCKS)
    assert dependencies - set(server) == set()
    assert (dependencies | development) - set(everything) == set()


def test_locks_agree() -> None:
    """What the tests run with is what the image has: every pin of the server's lock is in the other."""
    server, everything = (
        set(re.findall(r"^([\w.-]+==[^\\]+) \\$", (ROOT / lock).read_text(), re.MULTILINE)) for lock in LOCKS
    )
    assert server - everything == set()


@pytest.mark.parametrize(("group", "lock"), ADDED.items())
def test_added_locks_cover_their_groups(group: str, lock: str) -> None:
    """What the benchmark and the site need beside the rest is in locks of their own."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert names(pyproject["dependency-groups"][group]) - set(locked(lock)) == set()


@pytest.mark.parametrize("lock", ADDED.values())
def test_added_locks_change_nothing(lock: str) -> None:
    """A package that they share with the rest has the same version there: installing it moves nothing."""

    def versions(lock: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name, version in re.findall(r"^([\w.-]+)==([^ ;]+)", (ROOT / lock).read_text(), re.MULTILINE):
            found.setdefault(name, set()).add(version)
        return found

    rest, added = versions(LOCKS[1]), versions(lock)
    shared = rest.keys() & added.keys()
    assert shared
    assert {name: added[name] - rest[name] for name in shared if added[name] - rest[name]} == {}


@pytest.mark.parametrize("name", EXTRA_LOCKS)
def test_the_lock_of_an_extra_adds_to_either_image(name: str) -> None:
    """It covers the extra, which is the group, and has no other version of a package that the server has."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extra = pyproject["project"]["optional-dependencies"][name]
    assert extra == pyproject["dependency-groups"][name]
    added = dict(pins(EXTRA_LOCKS[name]))
    assert names(extra) - set(added) == set()
    for lock in (LOCKS[0], GPU_LOCK, *EXTRA_LOCKS.values()):
        versions: dict[str, set[str]] = {}
        for name, version in pins(lock):
            versions.setdefault(name, set()).add(version)
        assert {name for name in added if name in versions and added[name] not in versions[name]} == set()


@pytest.mark.parametrize(
    ("given", "tag", "options"),
    [
        pytest.param([], "cpu", "", id="none"),
        pytest.param(["EXTRAS=tracing"], "cpu-tracing", '--build-arg EXTRAS="tracing" ', id="an extra"),
        pytest.param(["EXTRAS=tracing", "IMAGE=mine:1"], "", '--build-arg EXTRAS="tracing" ', id="a name of one's own"),
    ],
)
def test_an_image_with_extras_has_a_tag_of_its_own(given: list[str], tag: str, options: str) -> None:
    """Unless it has a name of one's own."""
    printed = make("--dry-run", "image", *given)
    assert f"--tag {f'tensorflow-serving-appliance:{tag}' if tag else 'mine:1'} " in printed
    checked, build, rest = printed.partition("docker build ")
    assert (checked, build) == ("build/images/check-docker.sh\n", "docker build ")
    assert rest.split("--build-arg REVISION")[0].replace("\\\n", "").split() == options.split()


def test_license_is_whole() -> None:
    """The licence that pyproject.toml names is there with its full text."""
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A directory with serve.sh where it is in a clone, and a program that prints its arguments in Python's place."""
    scripts = tmp_path / "examples" / "demo_models"
    scripts.mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "demo_models" / "serve.sh", scripts)
    shutil.copytree(ROOT / "examples" / "demo_models" / "models", scripts / "models")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    (tmp_path / "my models" / "resnet" / "1").mkdir(parents=True)
    return tmp_path


def serve(clone: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run serve.sh in ``clone`` with only these variables."""
    environment = {"PATH": os.environ["PATH"], **variables}
    command = ["sh", "examples/demo_models/serve.sh"]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)


PORTS = ["-m", "serving", "--port=8500", "--rest_api_port=8501", "--rest_api_open_early"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"MODEL_CONFIG_FILE": "a b"}, [*PORTS, "--model_config_file=a b"], id="config-file"),
        pytest.param(
            {"MODEL_NAME": "resnet", "MODEL_BASE_PATH": "my models"},
            [*PORTS, "--model_name=resnet", "--model_base_path={clone}/my models/resnet"],
            id="as-in-docker",
        ),
        pytest.param(
            {"MODEL_NAME": "mine", "MODEL_BASE_PATH": "{clone}/my models/resnet"},
            [*PORTS, "--model_name=mine", "--model_base_path={clone}/my models/resnet"],
            id="the-model-itself",
        ),
        pytest.param(
            {"MODEL_BASE_PATH": "my models/resnet"},
            [*PORTS, "--model_name=model", "--model_base_path={clone}/my models/resnet"],
            id="default-name",
        ),
        pytest.param(
            {"MODEL_NAME": "resnet", "MODEL_BASE_PATH": "gs://bucket"},
            [*PORTS, "--model_name=resnet", "--model_base_path=gs://bucket/resnet"],
            id="object-store",
        ),
        pytest.param(
            {"MODEL_CONFIG_FILE": "c", "GRPC_PORT": "1", "REST_PORT": "2", "FLAGS": "--a=b --port=3"},
            [
                *("-m", "serving", "--port=1", "--rest_api_port=2", "--rest_api_open_early"),
                *("--model_config_file=c", "--a=b", "--port=3"),
            ],
            id="ports-and-flags",
        ),
    ],
)
def test_serve_starts_the_server(clone: Path, variables: dict[str, str], expected: list[str]) -> None:
    """The variables become the server's arguments; flags come last, so that they win."""
    done = serve(clone, **{name: value.format(clone=clone) for name, value in variables.items()})
    assert done.stdout.splitlines() == [argument.format(clone=clone) for argument in expected]


def test_serve_lays_out_the_demo_models(clone: Path) -> None:
    """Without a model of one's own both are copied and named by absolute paths; what is damaged is replaced."""
    damaged, kept = (clone / ".demo" / "models" / name for name in ("digits", "half_plus_two"))
    (damaged / "1" / "left").mkdir(parents=True)
    (kept / "1").mkdir(parents=True)
    (kept / "1" / "saved_model.pb").write_text("mine")
    done = serve(clone)
    assert done.stdout.splitlines()[-len(PORTS) - 1 :] == [*PORTS, "--model_config_file=.demo/models.config"]
    config = (clone / ".demo" / "models.config").read_text()
    assert re.findall(r'base_path: "(.*?)"', config) == [str(kept), str(damaged)]
    assert (damaged / "1" / "saved_model.pb").stat().st_size > 1000
    assert [path.name for path in damaged.iterdir()] == ["1"]
    assert not (damaged / "1" / "left").exists()
    assert (kept / "1" / "saved_model.pb").read_text() == "mine"


@pytest.mark.parametrize(
    ("variables", "error", "advice"),
    [
        pytest.param(
            {"MODEL_NAME": "bert", "MODEL_BASE_PATH": "my models"},
            "there is no model bert (MODEL_NAME) in {clone}/my models (MODEL_BASE_PATH), which has: resnet.",
            "Type: make serve MODEL_NAME='resnet' MODEL_BASE_PATH='{clone}/my models'",
            id="the directory above the models",
        ),
        pytest.param(
            {"MODEL_BASE_PATH": "my models/resnet/1"},
            "{clone}/my models/resnet/1 (MODEL_BASE_PATH) is a version itself: one level too deep.",
            "Type: make serve MODEL_NAME=model MODEL_BASE_PATH='{clone}/my models/resnet'",
            id="a version",
        ),
        pytest.param(
            {"MODEL_BASE_PATH": "bare"},
            "the model lies directly in {clone}/bare (MODEL_BASE_PATH), which has no version directory.",
            "Put it one level deeper: mkdir '{clone}/bare/1', and move what else is in it there.",
            id="no number",
        ),
        pytest.param(
            {"MODEL_NAME": "bare", "MODEL_BASE_PATH": "."},
            "the model lies directly in {clone}/./bare (MODEL_BASE_PATH/MODEL_NAME), which has no version directory.",
            "Put it one level deeper: mkdir '{clone}/./bare/1', and move what else is in it there.",
            id="no number below",
        ),
        pytest.param(
            {"MODEL_BASE_PATH": "/none"},
            "there is no directory /none (MODEL_BASE_PATH).",
            "Expected: /none/model/1/saved_model.pb, or the versions directly below it.",
            id="nothing",
        ),
        pytest.param(
            {"MODEL_BASE_PATH": "examples"},
            "no version to serve in {clone}/examples/model nor in {clone}/examples: a version is a directory named by "
            "a number.",
            "Expected: {clone}/examples/model/1/saved_model.pb. Set MODEL_BASE_PATH (now {clone}/examples) and "
            "MODEL_NAME (now model).",
            id="something else",
        ),
    ],
)
def test_serve_says_what_to_type(clone: Path, variables: dict[str, str], error: str, advice: str) -> None:
    """A path without versions ends with what is there and what to write instead, and does not start the server."""
    for directory in ("bare", "my models/resnet/1"):
        (clone / directory).mkdir(parents=True, exist_ok=True)
        (clone / directory / "saved_model.pb").touch()
    done = serve(clone, **variables)
    assert (done.returncode != 0, done.stdout) == (True, "")
    assert done.stderr == f"error: {error}\n  {advice}\n".format(clone=clone)
