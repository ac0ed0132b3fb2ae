"""Which process listens on a port, as far as this user may see it: /proc alone, nothing is connected to."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"
_MOST_WORDS = 60


def listener_on(port: int, proc: Path = _PROC) -> str:
    """``process 12 (python3 -m http.server)``, empty if it cannot be seen."""
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _inodes(proc / "net" / table, port)}
    for process in _processes(proc) if sockets else ():
        if _has_one_of(process, sockets):
            return f"process {process.name} ({_command(process)})"
    return ""


def _inodes(table: Path, port: int) -> Iterator[str]:
    with suppress(OSError):
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _processes(proc: Path) -> list[Path]:
    return sorted((each for each in proc.iterdir() if each.name.isdecimal()), key=lambda each: int(each.name))


def _has_one_of(process: Path, sockets: set[str]) -> bool:
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) in sockets:
                    return True
    return False


def _command(process: Path) -> str:
    with suppress(OSError):
        words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}..."
    return "unknown"
