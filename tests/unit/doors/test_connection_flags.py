"""Flags and channel arguments of connections: what each transport makes of them, and what selects grpcio."""

from typing import Any

import pytest

from serving.rpc.connections import ConnectionLimits, arguments, beyond_native, limits
from serving.settings import Settings

INTERVAL = "grpc.http2.min_ping_interval_without_data_ms"


@pytest.mark.parametrize(
    ("settings", "given", "native"),
    [
        pytest.param({}, {}, ConnectionLimits(), id="nothing"),
        pytest.param(
            {"grpc_max_connection_age_seconds": 0.5, "grpc_max_connection_age_grace_seconds": 30.0},
            {"grpc.max_connection_age_ms": 500, "grpc.max_connection_age_grace_ms": 30_000},
            ConnectionLimits(age_ms=500, grace_ms=30_000),
            id="age and grace",
        ),
        pytest.param(
            {"grpc_max_connection_age_seconds": 0.0001},
            {"grpc.max_connection_age_ms": 1},
            ConnectionLimits(age_ms=1),
            id="less than a millisecond",
        ),
        pytest.param(
            {"grpc_max_connection_age_seconds": 1e9},
            {"grpc.max_connection_age_ms": 2**31 - 1},
            ConnectionLimits(),
            id="decades",
        ),
        pytest.param(
            {"grpc_max_connection_age_seconds": -1.0, "grpc_max_connection_age_grace_seconds": -1.0},
            {},
            ConnectionLimits(),
            id="negative",
        ),
        pytest.param(
            {"grpc_keepalive_time_ms": 5000, "grpc_keepalive_permit_without_calls": True},
            {
                "grpc.keepalive_time_ms": 5000,
                "grpc.keepalive_timeout_ms": 20_000,
                "grpc.http2.ping_timeout_ms": 20_000,
                "grpc.keepalive_permit_without_calls": 1,
            },
            ConnectionLimits(keepalive_time_ms=5000, keepalive_timeout_ms=20_000, keepalive_without_calls=True),
            id="pings",
        ),
        pytest.param(
            {"grpc_keepalive_timeout_ms": 700},
            {"grpc.keepalive_timeout_ms": 700, "grpc.http2.ping_timeout_ms": 700},
            ConnectionLimits(keepalive_timeout_ms=700),
            id="timeout of pings",
        ),
        pytest.param(
            {"grpc_channel_arguments": "grpc.max_connection_idle_ms=5000"},
            {"grpc.max_connection_idle_ms": 5000},
            ConnectionLimits(idle_ms=5000),
            id="idle",
        ),
        pytest.param(
            {
                "grpc_max_connection_age_seconds": 9.0,
                "grpc_channel_arguments": "grpc.max_connection_age_ms=70,grpc.max_connection_age_grace_ms=0",
            },
            {"grpc.max_connection_age_ms": 70, "grpc.max_connection_age_grace_ms": 0},
            ConnectionLimits(age_ms=70, grace_ms=0),
            id="arguments win",
        ),
    ],
)
def test_the_same_for_both(settings: dict[str, Any], given: dict[str, int], native: ConnectionLimits) -> None:
    """In grpcio's words and in ours for the native front, which carries them all."""
    made = Settings(**settings)
    assert arguments(made) == given
    assert limits(made) == native
    assert beyond_native(made) == []


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"grpc_min_recv_ping_interval_ms": 10}, ["grpc_min_recv_ping_interval_ms"]),
        ({"grpc_channel_arguments": f"{INTERVAL}=9"}, [f"grpc_channel_arguments ({INTERVAL})"]),
        ({"grpc_channel_arguments": "grpc.keepalive_time_ms=9,a=1,b=2"}, ["grpc_channel_arguments (a, b)"]),
        (
            {"grpc_channel_arguments": "grpc.max_connection_idle_ms=9", "grpc_socket_path": "/a"},
            ["grpc_channel_arguments (grpc.max_connection_idle_ms)"],
        ),
        (
            {
                "grpc_channel_arguments": "grpc.max_connection_idle_ms=9",
                "grpc_keepalive_time_ms": 9,
                "grpc_keepalive_permit_without_calls": True,
            },
            ["grpc_channel_arguments (grpc.max_connection_idle_ms)"],
        ),
        (
            {"grpc_channel_arguments": "grpc.max_connection_age_ms=soon"},
            ["grpc_channel_arguments (grpc.max_connection_age_ms)"],
        ),
        ({"grpc_channel_arguments": "grpc.keepalive_time_ms=0"}, ["grpc_channel_arguments (grpc.keepalive_time_ms)"]),
    ],
)
def test_what_is_beyond_native(settings: dict[str, Any], names: list[str]) -> None:
    """The log names it."""
    assert beyond_native(Settings(**settings)) == names


def test_what_the_native_front_is_told() -> None:
    """Nothing at all without flags: it has its own times then."""
    assert ConnectionLimits().keepalive() == {}
    assert ConnectionLimits(keepalive_time_ms=7).keepalive() == {
        "keepalive_time_ms": 7,
        "keepalive_permit_without_calls": False,
    }
    assert ConnectionLimits(keepalive_timeout_ms=9).keepalive() == {"keepalive_timeout_ms": 9}


def test_interval_of_clients_pings() -> None:
    """gRPC's own argument."""
    assert arguments(Settings(grpc_min_recv_ping_interval_ms=10)) == {INTERVAL: 10}
