"""The stack of deploy/swarm.yaml on a real swarm of one node: what happens to requests while it is changed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.image.containers import ROOT, docker, wait_until
from tests.image.slow_calls import begin
from tests.image.stack import REPLICAS, Stack, write_models_config
from tests.support.steady_load import SteadyLoad, Tally

NAME = "swarm-test"
PROXY_IMAGE = f"{NAME}-haproxy"
SECOND_IMAGE = f"{NAME}-image:second"
MODEL = "half_plus_two"
FUNCTIONS = {"version 1": lambda x: x / 2 + 2, "version 2": lambda x: x / 2 + 3}
MORE_THAN_A_BUFFER = 40_000
"""Values of a request that HAProxy cannot keep to send it again, in either protocol."""

CLIENT_RETRIES = 3


class Keys(NamedTuple):
    """Two API keys and their entries in the file of keys."""

    old: str
    new: str
    old_entry: str
    new_entry: str


@pytest.fixture(scope="module")
def swarm(engine: None) -> Iterator[None]:
    """The engine is a swarm's manager; it leaves the swarm at the end if it was in none."""
    if docker("info", "--format", "{{.Swarm.LocalNodeState}}").splitlines()[-1] == "active":
        yield
        return
    said = docker("swarm", "init", "--advertise-addr=127.0.0.1", "--listen-addr=127.0.0.1:2377", check=False)
    if "Swarm initialized" not in said:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no swarm can be had here: {said}")
    try:
        yield
    finally:
        docker("swarm", "leave", "--force")


@pytest.fixture(scope="module")
def proxy_image(engine: None) -> Iterator[str]:
    """Debian's HAProxy in an image."""
    network = Path(os.environ.get("ENGINE_DIR", "/nonexistent")) / "build-network"
    options = ["--network=host"] if network.is_file() and network.read_text().strip() == "host" else []
    base = os.environ.get("BASE_IMAGE", "")
    options += [f"--build-arg=BASE_IMAGE={base}"] if base else []
    docker("build", f"--tag={PROXY_IMAGE}", *options, str(ROOT / "deploy" / "haproxy"), timeout_seconds=300)
    yield PROXY_IMAGE
    docker("image", "rm", PROXY_IMAGE, check=False)


@pytest.fixture(scope="module")
def second_image(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image under test with another label: the next release."""
    directory = tmp_path_factory.mktemp("second")
    (directory / "Dockerfile").write_text(f"FROM {image}\nLABEL release=second\n")
    docker("build", f"--tag={SECOND_IMAGE}", str(directory))
    yield SECOND_IMAGE
    docker("image", "rm", SECOND_IMAGE, check=False)


@pytest.fixture(scope="module")
def directory(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Below ``models`` what the tasks serve; beside it the files of configs and secrets."""
    directory = tmp_path_factory.mktemp("swarm")
    (directory / "models").mkdir(mode=0o755)
    for name in (MODEL, "slow"):
        shutil.copytree(models / name, directory / "models" / name)
    write_models_config(directory / "first.config", half_plus_two=f"/models/{MODEL}", slow="/models/slow")
    return directory


@pytest.fixture(scope="module")
def keys(image: str, directory: Path) -> Keys:
    """Made as the page says; the file ``old.json`` has the old one alone."""
    made = [docker("run", "--rm", image, f"--make_api_key={name}").splitlines() for name in ("old", "new")]
    (old, old_entry), (new, new_entry) = ([line for line in lines if line[:1] in "t{"] for lines in made)
    (directory / "old.json").write_text(f"[{old_entry}]")
    return Keys(old, new, old_entry, new_entry)


@pytest.fixture(scope="module")
def stack(swarm: None, image: str, second_image: str, proxy_image: str, directory: Path, keys: Keys) -> Iterator[Stack]:
    """Three tasks behind HAProxy, ready. It ends before its images are removed, the second one included."""
    settings = {
        "IMAGE": image,
        "HAPROXY_IMAGE": proxy_image,
        "MODELS_DIR": str(directory / "models"),
        "MODELS_CONFIG": str(directory / "first.config"),
        "API_KEYS_FILE": str(directory / "old.json"),
    }
    with Stack(NAME, directory, settings) as stack:
        yield stack


@pytest.fixture(scope="module")
def load(stack: Stack, keys: Keys) -> Iterator[SteadyLoad]:
    """Clients of the proxy, from the first test to the last."""
    with SteadyLoad(
        rest=stack.rest, grpc=stack.grpc, model=MODEL, functions=FUNCTIONS, headers={"x-api-key": keys.old}
    ) as load:
        load.more(5)
        yield load


@contextmanager
def unharmed(event: str, load: SteadyLoad, stack: Stack, measured: dict[str, str]) -> Iterator[Tally]:
    """No request of the load fails in the block, whoever had to try it again."""
    before = stack.again()
    with load.event(event) as tally:
        yield tally
    again = {backend: count - before[backend] for backend, count in stack.again().items()}
    measured[f"swarm, {event}"] = f"{str(tally).partition(': ')[2]}; sent again by HAProxy: {again}"
    assert not tally.failed, f"{tally}\n{stack.logs()}"
    assert tally.sent.total() == tally.answered.total() > 0


def test_rolling_update_of_the_image(
    load: SteadyLoad, stack: Stack, second_image: str, measured: dict[str, str]
) -> None:
    """Each task is replaced by one of another image."""
    before = set(stack.containers())
    with unharmed("update of the image", load, stack, measured):
        stack.deploy(IMAGE=second_image)
        stack.wait_settled()
    after = stack.containers()
    assert before.isdisjoint(after)
    images = docker("inspect", "--format={{.Config.Image}} {{.Config.Labels.release}}", *after).splitlines()
    assert images == [f"{second_image} second"] * REPLICAS


def test_rolling_update_of_models_and_keys(
    load: SteadyLoad, stack: Stack, directory: Path, keys: Keys, measured: dict[str, str]
) -> None:
    """A config with one model more and a secret with one key more take the place of the old ones."""
    question = ("/v1/models/half:predict", keys.new, {"instances": [1.0]})
    assert stack.asked(*question)[0] == 401
    base = f"/models/{MODEL}"
    write_models_config(directory / "second.config", half_plus_two=base, slow="/models/slow", half=base)
    (directory / "both.json").write_text(f"[{keys.old_entry}, {keys.new_entry}]")
    with unharmed("update of models.config and keys", load, stack, measured):
        stack.deploy(
            MODELS_CONFIG=str(directory / "second.config"),
            MODELS_REVISION="2",
            API_KEYS_FILE=str(directory / "both.json"),
            KEYS_REVISION="2",
        )
        stack.wait_settled()
        load.headers["x-api-key"] = keys.new
        load.more(5)
    assert [stack.asked(*question)[0] for _ in range(2 * REPLICAS)] == [200] * 2 * REPLICAS


def test_update_that_fails_is_taken_back(
    load: SteadyLoad, stack: Stack, directory: Path, measured: dict[str, str]
) -> None:
    """A config that the server refuses ends its first task only, and Docker goes back to the config before."""
    before, sound = set(stack.containers()), dict(stack.settings)
    (directory / "broken.config").write_text("model_config_list {")
    with unharmed("update that fails", load, stack, measured):
        stack.deploy(MODELS_CONFIG=str(directory / "broken.config"), MODELS_REVISION="3")
        wait_until("the update is taken back", lambda: stack.update_state() == "rollback_completed", 60)
        stack.wait_settled()
    assert set(stack.containers()) == before
    stack.settings = sound


def test_new_version(load: SteadyLoad, stack: Stack, models: Path, directory: Path, measured: dict[str, str]) -> None:
    """A directory that appears is served by every task, and no task is replaced."""
    before, place = stack.containers(), directory / "models" / MODEL

    def only_new() -> bool:
        old = tally.answers["version 1"]
        load.more(10)
        return tally.answers["version 1"] == old

    with unharmed("new version of the model", load, stack, measured) as tally:
        shutil.copytree(models / "half_plus_three" / "1", place / "incoming-2")
        (place / "incoming-2").rename(place / "2")
        wait_until("all answers are of the new version", only_new, 60)
    assert stack.containers() == before


def test_scale_up_and_down(load: SteadyLoad, stack: Stack, measured: dict[str, str]) -> None:
    """From three tasks to five, to two, and back."""
    for replicas in (5, 2, REPLICAS):
        with unharmed(f"scale to {replicas}", load, stack, measured):
            stack.scale(replicas)
            stack.wait_settled(replicas)


@contextmanager
def lost_task(
    event: str, load: SteadyLoad, stack: Stack, keys: Keys, measured: dict[str, str], *, large: bool
) -> Iterator[None]:
    """A task is lost in the block while it computes: every call is answered, the small ones thanks to HAProxy."""
    with unharmed(event, load, stack, measured):
        before = stack.again()
        calls = begin(stack, {"x-api-key": keys.new}, large=large)
        wait_until("all are under way", lambda: stack.in_flight() >= REPLICAS * len(calls), 10)
        yield
        right = {kind: all(call.right() for call in some) for kind, some in calls.items()}
    again = {door: count - before[door] for door, count in stack.again().items()}
    clients = {kind: sum(call.retried for call in some) for kind, some in calls.items()}
    failures = {text for some in calls.values() for call in some for text in call.failures}
    measured[f"swarm, {event}, slow calls in flight"] = f"again by HAProxy {again}, by clients {clients}, {failures}"
    assert right == dict.fromkeys(calls, True), failures
    assert all(again.values())
    assert not any(count for kind, count in clients.items() if kind not in ("REST large", "gRPC large")), failures


def test_killed_task(load: SteadyLoad, stack: Stack, keys: Keys, measured: dict[str, str]) -> None:
    """SIGKILL costs nobody an answer: HAProxy asks another task; what is too large for that its client asks again."""
    with lost_task("killed task", load, stack, keys, measured, large=True):
        killed = stack.containers()[0]
        docker("kill", killed)
    stack.wait_settled()
    assert killed not in stack.containers()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nsenter"), reason="only root can enter a task's network")
def test_task_that_is_cut_off(load: SteadyLoad, stack: Stack, keys: Keys, measured: dict[str, str]) -> None:
    """A task that nothing reaches any more, as on a node that lost its power, costs no answer either, but seconds."""
    with lost_task("task that is cut off", load, stack, keys, measured, large=False):
        lost = stack.containers()[0]
        process = docker("inspect", "--format={{.State.Pid}}", lost).strip()
        subprocess.run(["nsenter", "--target", process, "--net", "ip", "link", "set", "eth0", "down"], check=True)
    docker("kill", lost)
    stack.wait_settled()
