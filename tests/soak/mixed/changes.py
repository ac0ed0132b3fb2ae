"""What changes in the server during a mixed soak: a label moves by reloads, a model comes and goes, versions change."""

import os
import shutil
import threading
import time
from pathlib import Path

import grpc
from google.protobuf import text_format

from serving.protos import ReloadConfigRequest
from tests.soak.mixed.served import CHURNED, NAMES, Served
from tests.soak.mixed.tally import Tally
from tests.support.server_process import wait_until

_RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
_PAUSE_SECONDS = 0.2
_TIMEOUT = 30.0


def reload_again_and_again(served: Served, tally: Tally, over: threading.Event) -> None:
    """The label moves with each, the model ``extra`` comes and goes, and each fifth list is refused."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.insecure_channel(f"127.0.0.1:{served.server.grpc_port}", options) as channel:
        call, number = channel.unary_unary(_RELOAD), 0
        while not over.wait(_PAUSE_SECONDS):
            number += 1
            bad = number % 5 == 0
            began, code = time.perf_counter(), "OK"
            try:
                call(_list(served, number, bad=bad), timeout=_TIMEOUT, metadata=[("x-api-key", served.admin)])
            except grpc.RpcError as error:
                code = f"{error.code().name} {error.details()}"
            right = code.startswith("INVALID_ARGUMENT") if bad else code == "OK"
            tally.note("gRPC reload", began, "" if right else code)


def _list(served: Served, number: int, *, bad: bool) -> bytes:
    label = f'version_labels {{ key: "stable" value: {123 + number % 2} }}'
    entries = [_entry(name, served.models / name, label if name == "half_plus_two" else "") for name in NAMES]
    entries.append(_entry(CHURNED, served.churned))
    if number % 2:
        entries.append(_entry("extra", served.models / "half_plus_three"))
    if bad:
        entries.append(_entry("relative", Path("none")))
    text = f"config {{ model_config_list {{ {' '.join(entries)} }} }}"
    return bytes(text_format.Parse(text, ReloadConfigRequest()).SerializeToString())


def _entry(name: str, base: Path, more: str = "") -> str:
    policy = "model_version_policy { all {} }"
    return f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {policy} {more} }}'


def change_versions(served: Served, tally: Tally, over: threading.Event) -> None:
    """A version comes, serves, and the one before goes."""
    base, version = served.churned, 1
    shutil.copytree(base / "1", base.parent / "template")
    while not over.wait(_PAUSE_SECONDS):
        version += 1
        began = time.perf_counter()
        shutil.copytree(base.parent / "template", base.parent / "incoming", copy_function=os.link)
        (base.parent / "incoming").rename(base / str(version))
        loaded = f"Successfully loaded servable version {{name: {CHURNED} version: {version}}}"
        trouble = ""
        try:
            wait_until(loaded, lambda text=loaded: _said(served, text), _TIMEOUT)  # type: ignore[misc]
        except AssertionError as error:
            trouble = str(error)
        shutil.rmtree(base / str(version - 1))
        tally.note("version change", began, trouble)


def _said(served: Served, text: str) -> bool:
    return any(text in line for line in served.server.output[-200:])
