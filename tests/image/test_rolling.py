"""What a cluster does when it rolls: three containers behind a proxy are replaced in turn under load; nothing fails."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.image.containers import wait_until
from tests.image.fleet import Fleet, RunningProxy
from tests.support.steady_load import Floats, SteadyLoad

FLAGS = {"haproxy": ("--rest_api_open_early", "--drain_delay_seconds=2"), "nginx": ()}
"""Those that the first lines of the proxy's file ask for."""

PROXIES = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"there is no {name} (Debian: {name})"))
    for name in FLAGS
]


def half_plus_two(values: Floats) -> Floats:
    return values / np.float32(2) + np.float32(2)


@pytest.mark.parametrize("name", PROXIES)
def test_each_container_is_replaced(
    image: str, models: Path, tmp_path: Path, measured: dict[str, str], name: str
) -> None:
    """Stopped with grace, started anew at the same address, waited for; REST and gRPC, connections kept and new."""
    with (
        Fleet(image, models, "half_plus_two", FLAGS[name]) as fleet,
        RunningProxy(name, fleet.addresses, tmp_path) as proxy,
    ):
        wait_until("the proxy sees all", lambda: all(proxy.sees(which) for which in range(3)), 20)
        load = SteadyLoad(rest=proxy.rest, grpc=proxy.grpc, model="half_plus_two", functions={"right": half_plus_two})
        with load, load.event(f"three containers replaced behind {name}") as tally:
            for which in range(3):
                load.more(20)
                assert fleet.stop(which) == 0
                load.more(20)
                fleet.start(which)
                wait_until("the proxy sees it again", lambda: all(proxy.sees(each) for each in range(3)), 20)
            load.more(20)
    measured[tally.event] = f"REST {tally.count('REST')}; gRPC {tally.count('gRPC')}; {tally.seconds:.0f} s"
    assert not tally.failed, str(tally)
    assert min(tally.answered[kind] for kind in tally.sent) > 100, str(tally)
