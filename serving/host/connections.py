"""How many TCP connections a port of this machine has, as the kernel lists them; whoever serves it is not asked."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

_NET = Path("/proc/self/net")
_OPEN = ("01", "08")
"""ESTABLISHED, and CLOSE_WAIT: the client has ended its side and waits for an answer."""


def open_connections(ports: Iterable[int], net: Path = _NET) -> Mapping[int, int]:
    """Connections by port, over IPv4 and IPv6. OSError if the kernel does not say."""
    wanted = {f"{port:04X}": port for port in ports}
    counts: Counter[int] = Counter(dict.fromkeys(wanted.values(), 0))
    for path in (net / "tcp", net / "tcp6"):
        if not path.exists():  # a kernel without IPv6
            continue
        with path.open() as lines:
            next(lines, None)
            for line in lines:
                _, local, _, state, *_ = line.split(maxsplit=4)
                port = wanted.get(local.rpartition(":")[2])
                if port is not None and state in _OPEN:
                    counts[port] += 1
    return counts
