"""The commands that tell what a server has: ``ls``, ``status`` and ``signatures``."""

import json
from argparse import Namespace
from dataclasses import asdict

import grpc

from serving.client.client import Client
from serving.client.errors import ServingError
from serving.client.signatures import described
from serving.client.terminal.servers import client_of, model_states
from serving.client.terminal.show import table, width
from serving.client.values import Metadata, VersionStatus

_OF_LOADING = "__saved_model_init_op"
"""What SavedModels have beside their signatures, for whoever loads them; nobody can call it."""


def ls(arguments: Namespace) -> int:
    """The models of a server and their states."""
    found = sorted(model_states(arguments), key=lambda each: (each.model, each.version))
    if arguments.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    elif not found:
        print("The server has no models.")
    else:
        rows = [(each.model, str(each.version or ""), each.state, each.message) for each in found]
        print(table(("MODEL", "VERSION", "STATE", "MESSAGE"), rows, columns=width(), colour=arguments.colour))
    return 0


def status(arguments: Namespace) -> int:
    """The states of a model's versions."""
    with client_of(arguments, arguments.model) as client:
        found = _states(client, arguments)
    if arguments.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    else:
        rows = [(str(each.version or "-"), each.state, each.message) for each in found]
        print(table(("VERSION", "STATE", "MESSAGE"), rows, columns=width(), colour=arguments.colour))
    return 0


def _states(client: Client, arguments: Namespace) -> list[VersionStatus]:
    """What the server says; where v2 has no list of models, whether the model is ready."""
    which = {"version": arguments.version, "label": arguments.label}
    try:
        return client.status(arguments.model, **which)
    except ServingError as error:
        if client.protocol != "v2" or error.code is not grpc.StatusCode.UNIMPLEMENTED:
            raise
    state = "READY" if client.ready(arguments.model, **which) else "UNAVAILABLE"
    return [VersionStatus(version=arguments.version or 0, state=state, code=0, message="")]


def signatures(arguments: Namespace) -> int:
    """The signatures of a version, with the types and shapes of their inputs and outputs."""
    with client_of(arguments, arguments.model) as client:
        found = client.metadata(arguments.model, version=arguments.version, label=arguments.label)
    if arguments.json:
        print(json.dumps(asdict(found), indent=2))
        return 0
    print(f"{found.model}, version {found.version}" if found.version else found.model)
    heads = ("SIGNATURE", "", "NAME", "DTYPE", "SHAPE")
    print(table(heads, _rows(found), columns=width(), colour=False))
    return 0


def _rows(found: Metadata) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for name, signature in found.signatures.items():
        if name == _OF_LOADING:
            continue
        shown = name
        for way, tensors in (("in", signature.inputs), ("out", signature.outputs)):
            for alias, info in tensors.items():
                rows.append((shown, way, alias, info.dtype, described("", info.shape)))
                shown = ""
    return rows
