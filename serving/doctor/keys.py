"""The file of API keys: whether it can be used, and what of it will not work for long. It shows no key."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from serving.access import key_file
from serving.doctor.finding import Finding, fails, ok, warning
from serving.errors import ConfigurationError
from serving.settings import Settings

_GIVE = "Give a file that this user can read, or make one with --make_api_key=NAME."

_SOON_SECONDS = 30 * 24 * 3600.0
_OTHERS_MAY_READ = 0o004


def look(settings: Settings, now: datetime) -> Iterator[Finding]:
    """A row for the file, and one for each credential that has expired or does so within 30 days."""
    path = settings.api_keys_file
    if not path:
        return
    what = f"keys in {path}"
    try:
        content = Path(path).read_bytes()
        keys = key_file.parse(content, f"--api_keys_file={path}")
    except OSError as error:
        yield fails(
            what,
            f"cannot be read: {error.strerror}",
            _GIVE,
        )
        return
    except ConfigurationError as error:
        yield fails(what, error.message, "Mend the entry, or make a new one with --make_api_key=NAME.")
        return
    if Path(path).stat().st_mode & _OTHERS_MAY_READ:
        yield warning(what, "can be read by every user of this machine", f"chmod o-rwx {path}")
    else:
        yield ok(what, "can be used")
    for holder in keys.holders.values():
        if holder.expires_at is None:
            continue
        until = datetime.fromtimestamp(holder.expires_at, UTC)
        name, left = holder.principal.name, (until - now).total_seconds()
        if left <= _SOON_SECONDS:
            told = f"{'expired' if left <= 0 else 'expires'} at {until:%Y-%m-%dT%H:%M:%SZ}"
            yield warning(f"key of {name}", told, f"Make another one: --make_api_key={name}")
