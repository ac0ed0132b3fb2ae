"""The containers of the manifests below deploy/, started as their pods would be: user, rights, mounts, arguments."""

import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.image.containers import RunContainer, docker, http, wait_until
from tests.server.deploy.manifests import DEPLOY, OVERLAYS, Manifest, Rendered, read, render

TENSOR = {"name": "x", "datatype": "FP32", "shape": [2], "data": [1.0, 2.0]}


def rights(context: Manifest) -> list[str]:
    """Options for a container's security context."""
    options = [f"--cap-drop={each}" for each in context["capabilities"]["drop"]]
    options += [] if context["allowPrivilegeEscalation"] else ["--security-opt=no-new-privileges"]
    return [*options, "--read-only"] if context.get("readOnlyRootFilesystem") else options


@pytest.fixture(scope="module")
def overlays() -> dict[str, Rendered]:
    """Those that are run here."""
    return read({name: render(OVERLAYS / name) for name in ("pvc", "init-container")})


@pytest.fixture
def place(models: Path, tmp_path: Path) -> Path:
    """What the volume has: the model of the base's configuration, for the container's user."""
    tmp_path.chmod(0o755)
    shutil.copytree(models / "half_plus_two", tmp_path / "volume" / "model")
    return tmp_path / "volume"


def test_pod_serves(run_container: RunContainer, overlays: dict[str, Rendered], place: Path, tmp_path: Path) -> None:
    """With the ConfigMap mounted, and the volume; the command of preStop is in the image; it ends within its grace."""
    found = overlays["pvc"]
    container, pod = found.container(), found.pod()
    config = tmp_path / "config"
    config.mkdir()
    for name, text in found.one("ConfigMap")["data"].items():
        (config / name).write_text(text)
    user = pod["securityContext"]
    running = run_container(
        models=place,
        options=[
            *rights(container["securityContext"]),
            f"--user={user['runAsUser']}:{user['runAsGroup']}",
            f"--volume={config}:/etc/serving:ro",
            "--tmpfs=/tmp",
        ],
        arguments=container["args"],
    )
    running.wait_ready()
    assert running.predict("model", {"instances": [1.0, 2.0]}) == {"predictions": [2.5, 3.0]}
    program, _ = container["lifecycle"]["preStop"]["exec"]["command"]
    assert running.execute(program, "0") == ""
    docker("stop", f"--time={pod['terminationGracePeriodSeconds']}", running.id)
    assert running.inspect()["State"]["ExitCode"] == 0


def test_init_container_fetches(image: str, overlays: dict[str, Rendered], place: Path, tmp_path: Path) -> None:
    """Python and tar are in the image; what is fetched can be read by the server's user."""
    (container,) = overlays["init-container"].pod()["initContainers"]
    archive, volume = tmp_path / "model.tar.gz", tmp_path / "empty"
    volume.mkdir()
    volume.chmod(0o777)
    with tarfile.open(archive, "w:gz") as file:
        (version,) = (place / "model").iterdir()
        for member in version.iterdir():
            file.add(member, member.name)
    settings = {"SHA256": hashlib.sha256(archive.read_bytes()).hexdigest(), "DIRECTORY": "/models/model/1"}
    entrypoint, script = container["command"]
    options = [f"--env={name}={value}" for name, value in settings.items()]
    options += [f"--volume={volume}:/models", f"--volume={archive}:/model.tar.gz:ro", "--env=URL=file:///model.tar.gz"]
    options += [f"--volume={OVERLAYS}/init-container/{Path(script).name}:{script}:ro", f"--entrypoint={entrypoint}"]
    said = docker("run", "--rm", *rights(container["securityContext"]), *options, image, script)
    assert said == "/models/model/1 is file:///model.tar.gz\n"
    assert (volume / "model" / "1" / "saved_model.pb").is_file()


def test_kserve_runtime_serves(run_container: RunContainer, models: Path) -> None:
    """Started as KServe starts it, named after its service; it answers by the first protocol and the second."""
    (runtime, _) = read({"runtimes": (DEPLOY / "kserve" / "runtimes.yaml").read_text()})["runtimes"].manifests
    (container,) = runtime["spec"]["containers"]
    (command,) = container["command"]
    user = container["securityContext"]["runAsUser"]
    options = [f"--entrypoint={command}", f"--user={user}", *rights(container["securityContext"])]
    options += [f"--volume={models / 'half_plus_two'}:/mnt/models:ro", "--publish=127.0.0.1:0:8080"]
    arguments = [argument.replace("{{.Name}}", "flowers") for argument in container["args"]]
    running = run_container(options=options, arguments=arguments)
    url = f"http://{running.address(8080)}"

    def is_ready() -> bool:
        try:
            return http(f"{url}/v2/health/ready")[0] == 200
        except OSError:
            return False

    wait_until("it is ready", is_ready, 60)
    status, answer = http(f"{url}/v1/models/flowers:predict", {"instances": [1.0, 2.0]})
    assert (status, json.loads(answer)) == (200, {"predictions": [2.5, 3.0]})
    status, answer = http(f"{url}/v2/models/flowers/infer", {"inputs": [TENSOR]})
    assert status == 200, answer
    assert json.loads(answer)["outputs"][0]["data"] == [2.5, 3.0]
