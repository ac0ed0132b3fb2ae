"""Configuration files as text, against protobuf's own parser, and what is made of them."""

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

from google.protobuf import text_format

from serving import settings, tls
from serving.configuration import batching_config, model_config, monitoring_config, session_config, text_proto
from serving.core.store_url import StoreUrl
from serving.errors import ConfigurationError
from serving.protos import (
    POOL,
    BatchingParameters,
    ConfigProto,
    ModelServerConfig,
    MonitoringConfig,
    PlatformConfigMap,
    SavedModelBundleSourceAdapterConfig,
    SSLConfig,
)
from serving.settings import BadFlagError, Settings
from serving.sources.scan import scan
from tests.fuzz import messages
from tests.fuzz.drawing import chance, mutated
from tests.fuzz.target import Target, is_refused, unless_refused

_DAMAGED = 20
"""In a hundred."""
_FILE = Path(mkdtemp(prefix="fuzz-")) / "file"
_CPUS = 2
_LONGEST = 4096
"""Bytes of a text: for some, of thousands of backslashes, protobuf's parser takes time that grows with the square."""


def _text(random: Random, message: Any) -> bytes:
    """A message as people write it, sometimes with a mistake."""
    text = text_format.MessageToString(
        message,
        descriptor_pool=POOL,
        as_one_line=chance(random, 30),
        use_short_repeated_primitives=chance(random, 50),
        pointy_brackets=chance(random, 10),
    )
    if chance(random, 20):
        text = f"# a comment\n{text}  # {random.choice(('', 'end', 'ü'))}"
    data = (text or "\n").encode()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _parsed(data: bytes, kind: Any) -> Any | None:
    """The message in a text; what protobuf's own parser takes is taken, and what it refuses is refused."""
    data = data[:_LONGEST]
    found = unless_refused(lambda: text_proto.parse(data, kind, "file"))
    try:
        expected = text_format.Parse(data.decode("utf-8", "replace"), kind(), descriptor_pool=POOL)
    except text_format.ParseError:
        assert found is None
        return None
    assert found is not None
    assert found.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
    return found


def _models(random: Random) -> bytes:
    made = ModelServerConfig()
    if chance(random, 95):
        entries = made.model_config_list.config
        for number in range(random.choice((0, 1, 1, 2, 3))):
            entry = entries.add()
            entry.CopyFrom(messages.filled(random, type(entry)))
            entry.name, entry.base_path = f"m{number}", random.choice(("/models/m", "/a b", "/ü", "file:///m", "/m\0n"))
            if chance(random, 90):
                entry.model_platform, entry.model_type = "tensorflow", 0
                entry.ClearField("logging_config")
    return _text(random, made)


def _check_models(data: bytes) -> bool:
    message = _parsed(data, ModelServerConfig)
    if message is None:
        return False
    models = unless_refused(lambda: model_config.decode(message))
    if models is None:
        return message.WhichOneof("config") is None
    assert [model.name for model in models] == [entry.name for entry in message.model_config_list.config]
    for model in models:
        if isinstance(model.base_path, StoreUrl):
            continue
        found = scan(model.base_path, model.policy)  # which never raises
        assert found.versions is not None or found.notice
    return not is_refused(lambda: [model.platform for model in models])


def _of(kind: Any) -> Callable[[Random], bytes]:
    return lambda random: _text(random, messages.filled(random, kind))


def _check_batching(data: bytes) -> bool:
    message = _parsed(data, BatchingParameters)
    if message is None:
        return False
    parameters = batching_config.decode(message, _CPUS)
    options = unless_refused(parameters.queue_options)
    if is_refused(parameters.check_threads) or options is None:
        return False
    assert parameters.num_batch_threads >= 1
    assert parameters.padded(1) <= max(1, options.max_batch_size, *parameters.allowed_batch_sizes)
    return True


def _batching(random: Random) -> bytes:
    made = messages.filled(random, BatchingParameters)
    for name in ("max_batch_size", "num_batch_threads", "max_enqueued_batches", "max_execution_batch_size"):
        if made.HasField(name) and chance(random, 90):
            getattr(made, name).value = random.choice((1, 2, 8, 100))
    if chance(random, 80):
        made.ClearField("allowed_batch_sizes")
        made.ClearField("enable_large_batch_splitting")
        made.batch_timeout_micros.value = random.choice((0, 100, 10**6))
    return _text(random, made)


def _written(data: bytes) -> str:
    _FILE.write_bytes(data[:_LONGEST])
    return os.fspath(_FILE)


def _check_monitoring(data: bytes) -> bool:
    message = _parsed(data, MonitoringConfig)
    path = unless_refused(lambda: monitoring_config.read_path(_written(data)))
    if message is None or path is None:
        assert not data or message is path
        return False
    assert bool(path) == message.prometheus_config.enable
    return True


def _session(random: Random) -> bytes:
    return bytes((0,)) + _text(random, messages.filled(random, ConfigProto))


def _platforms(random: Random) -> bytes:
    made = PlatformConfigMap()
    if chance(random, 90):
        made.platform_configs["tensorflow"].source_adapter_config.Pack(
            messages.filled(random, SavedModelBundleSourceAdapterConfig)
        )
    return bytes((1,)) + _text(random, made)


def _check_sessions(data: bytes) -> bool:
    """Either file gives a ConfigProto that has threads."""
    is_map = bool(data[0] % 2) if data else False
    message = _parsed(data[1:], PlatformConfigMap if is_map else ConfigProto)
    path = _written(data[1:])
    given = Settings(platform_config_file=path) if is_map else Settings(tensorflow_session_config_file=path)
    sessions = unless_refused(lambda: session_config.decide(given, _CPUS))
    if sessions is None:
        return False
    assert message is not None
    assert sessions.config.intra_op_parallelism_threads
    assert sessions.config.SerializeToString() is not None
    return True


_PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
_KEY = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"


def _ssl(random: Random) -> bytes:
    """No credentials that are of use: those take a server's time to make, and have tests of their own."""
    made = SSLConfig(
        server_key=_KEY.format(random.choice(("", "MIIB", "AAAA" * 20))),
        server_cert=_PEM.format(random.choice(("", "MIIB", "ü", "AAAA" * 20))),
        client_verify=chance(random, 50),
        custom_ca=random.choice((_PEM.format("MIIB"), _PEM.format(""), "no PEM")),
    )
    return _text(random, made)


def _check_ssl(data: bytes) -> bool:
    message = _parsed(data, SSLConfig)
    found = unless_refused(lambda: tls.read("ssl_config_file", _written(data)))
    assert found is None or message is not None
    return message is not None


def _flags(random: Random) -> bytes:
    given = []
    for _ in range(random.choice((1, 1, 2, 5))):
        flag = random.choice(settings.FLAGS)
        text = {
            "bool": random.choice(("true", "false", "1", "")),
            "string": random.choice(("", "/models", "a=b", "ü")),
            "float": random.choice(("0.5", "1", "1e3", "0")),
        }.get(flag.kind, random.choice(("0", "1", "8500", "-1")))
        given.append(f"--{flag.name}" + (f"={text}" if text or chance(random, 50) else ""))
    data = "\0".join(given).encode()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check_flags(data: bytes) -> bool:
    arguments = data.decode("utf-8", "surrogateescape").split("\0")
    try:
        settings.parse(arguments, _CPUS)
    except (BadFlagError, ConfigurationError):
        return False
    return True


TARGETS = (
    Target(
        name="configuration.models",
        promise="the models that protobuf's parser finds, whose base paths can be looked at, or ConfigurationError",
        make=_models,
        check=_check_models,
        seeds=(b'model_config_list { config { name: "m" base_path: "/m" model_platform: "tensorflow" } }',),
        dear=True,
    ),
    Target(
        name="configuration.batching",
        promise="parameters that check themselves, or ConfigurationError",
        make=_batching,
        check=_check_batching,
        seeds=(b"max_batch_size { value: 8 } allowed_batch_sizes: [2, 4, 8]",),
        dear=True,
    ),
    Target(
        name="configuration.monitoring",
        promise="a path exactly if metrics are on, or ConfigurationError",
        make=_of(MonitoringConfig),
        check=_check_monitoring,
        seeds=(b'prometheus_config { enable: true path: "/m" }',),
        dear=True,
    ),
    Target(
        name="configuration.sessions",
        promise="a ConfigProto with threads, or ConfigurationError",
        make=_session,
        check=_check_sessions,
        seeds=(b"\0intra_op_parallelism_threads: 2",),
        dear=True,
    ),
    Target(
        name="configuration.platforms",
        promise="a ConfigProto with threads, or ConfigurationError",
        make=_platforms,
        check=_check_sessions,
        seeds=(b'\1platform_configs { key: "tensorflow" value { } }',),
        dear=True,
    ),
    Target(
        name="configuration.ssl",
        promise="credentials, or ConfigurationError",
        make=_ssl,
        check=_check_ssl,
        seeds=(b'server_key: "-----BEGIN" server_cert: "-----BEGIN" client_verify: true',),
        dear=True,
    ),
    Target(
        name="configuration.flags",
        promise="settings, or the error of a flag",
        make=_flags,
        check=_check_flags,
        seeds=(b"--port=8500\0--model_name=m",),
    ),
)
