"""Models in each kind of store, served by a real server: versions come, go, and leave the cache."""

import json
from contextlib import closing
from pathlib import Path

from tests.server.stores.clouds import S3, Cloud
from tests.server.stores.faulty_proxy import FaultyProxy
from tests.server.stores.served import MODEL, NAME, Served, cached
from tests.support.server_process import wait_until


def test_versions_come_and_go(cloud: Cloud, tmp_path: Path) -> None:
    """A new version is fetched and served, the old one leaves the cache; one that is deleted is given back."""
    cloud.put_version("come/half", 1, MODEL)
    with Served(cloud.url("come/half"), tmp_path, cloud.environment(cloud.port)) as server:
        assert server.answers()
        assert server.available() == {1}
        assert any("checked by size and 4 of 4 file(s) by checksum" in line for line in server.output)
        keys = cloud.put_version("come/half", 2, MODEL)
        server.wait_for_versions(2)
        wait_until("version 1 leaves the cache", lambda: cached(tmp_path) == ["2"])
        assert server.answers()
        for key in keys:
            cloud.delete(key)
        server.wait_for_versions(1)
        assert server.answers()
        assert server.metric('store_fetches{model_name="half",status="ok"}') == 3


def test_a_restart_without_the_store(s3: S3, tmp_path: Path) -> None:
    """What is in the cache serves, and the log says so; the page says what is the matter."""
    s3.put_version("restart/half", 1, MODEL)
    with closing(FaultyProxy(s3.port)) as proxy:
        with Served(s3.url("restart/half"), tmp_path, s3.environment(proxy.port)) as server:
            assert server.answers()
        proxy.go_down()
        with Served(s3.url("restart/half"), tmp_path, s3.environment(proxy.port)) as server:
            assert server.answers()
            server.wait_for(r"Model half is served from the cache, .*, for its store gives no answer")
            assert server.metric("store_failing") == 1
            _, page = server.rest("GET", "/ui/data/state")
            assert "it is tried again" in json.loads(page)["models"][0]["store"]


def test_two_servers_share_a_cache(s3: S3, tmp_path: Path) -> None:
    """One of them fetches; each version is removed when neither serves it."""
    s3.put_version("shared/half", 1, MODEL)
    url, environment = s3.url("shared/half"), s3.environment(s3.port)
    with Served(url, tmp_path, environment, wait=False) as one, Served(url, tmp_path, environment, wait=False) as two:
        for each in (one, two):
            each.wait_until_serving()
            assert each.answers()
        fetched = [each.metric('store_fetches{model_name="half",status="ok"}') for each in (one, two)]
        assert sorted(fetched) == [0, 1]
        s3.put_version("shared/half", 2, MODEL)
        for each in (one, two):
            each.wait_for_versions(2)
        wait_until("version 1 leaves the cache", lambda: cached(tmp_path) == ["2"])
        assert one.answers()
        assert two.answers()


def test_a_reload_names_another_place(s3: S3, tmp_path: Path) -> None:
    """Beside those that were given it may; elsewhere it may not. A model of a directory may be moved to a store."""
    s3.put_version("reload/half", 1, MODEL)
    s3.put_version("reload/other", 5, MODEL)
    with Served(s3.url("reload/half"), tmp_path, s3.environment(s3.port)) as server:

        def load(base_path: str) -> tuple[int, bytes]:
            body = json.dumps({"parameters": {"base_path": base_path}})
            return server.rest("POST", "/v2/repository/models/other/load", body)

        status, answer = load("s3://secrets/other")
        assert (status, "allowed, links followed: below s3://models/reload/" in answer.decode()) == (403, True)
        status, answer = load(s3.url("reload/nothing"))
        assert (status, "there is nothing at" in answer.decode()) == (400, True)
        status, answer = load(s3.url("reload/other"))
        assert status == 200, answer
        _, answer = server.rest("GET", "/v1/models/other")
        assert json.loads(answer)["model_version_status"][0]["version"] == "5"
        assert server.available() == {1}


def test_dry_run_and_doctor(s3: S3, tmp_path: Path) -> None:
    """--dry_run fetches as a start does, and --doctor says what is there and what is in the cache."""
    s3.put_version("dry/half", 3, MODEL)
    environment = s3.environment(s3.port)
    with Served(s3.url("dry/half"), tmp_path, environment, "--dry_run", wait=False) as dry:
        assert dry.wait(120) == 0
        assert any("1 version(s) loaded, 1 signature(s) answered, 0 failed" in line for line in dry.output)
    with Served(s3.url("dry/half"), tmp_path, environment, "--doctor", wait=False) as doctor:
        doctor.wait(120)
        text = " ".join("".join(doctor.output).split())
        assert f"{s3.url('dry/half')} has version 3, 12476 bytes in all; version 3 is in {tmp_path}" in text
    with Served(s3.url("dry/nothing"), tmp_path, environment, "--doctor", wait=False) as doctor:
        assert doctor.wait(120) == 1
        text = " ".join("".join(doctor.output).split())
        assert f"fails model {NAME} {s3.url('dry/nothing')}: there is nothing at {s3.url('dry/nothing')}" in text
