"""Whether this user may read what is there, and if not, at which directory it ends and whose that is."""

import os
import stat
from difflib import get_close_matches
from pathlib import Path

from serving.errors import first_few


def who() -> str:
    """The user that this process is, as the system counts."""
    return f"user {os.geteuid()}"


def may_read(path: Path) -> bool:
    """Whether a file can be read, or a directory be listed and entered."""
    wanted = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
    return os.access(path, wanted, effective_ids=True)


def obstacle(path: Path) -> str | None:
    """Why what is at a path cannot be read, None if it can, or if there is nothing."""
    for each in (*reversed(path.parents), path):
        try:
            status = each.stat()
        except PermissionError:
            return None  # the directory above said it
        except OSError:
            return None
        if each != path and not os.access(each, os.X_OK, effective_ids=True):
            return f"{who()} may not enter {each}, {_owner(status)}"
        if each == path and not may_read(each):
            return f"{who()} may not read {each}, {_owner(status)}"
    return None


def missing(path: Path, *, directories: bool = False) -> str:
    """For a path at which there is nothing: what there is in its place, the names most like it first.

    With ``directories`` those alone, as far as there are any.
    """
    link = next((each for each in (path, *path.parents) if each.is_symlink() and not each.exists()), None)
    if link is not None:
        return f"{link} is a link to {link.readlink()}, which is not there"
    parent = next(each for each in path.parents if each.exists())
    name = path.relative_to(parent).parts[0]
    try:
        everything = sorted(parent.iterdir())
    except NotADirectoryError:
        return f"{path} is not there: {parent} is a file"
    except OSError as error:
        return f"{path} is not there, and {parent} cannot be listed ({error.strerror})"
    names = [each.name for each in everything if each.is_dir()] if directories else []
    names = names or [each.name for each in everything]
    near = get_close_matches(name, names, n=5)
    there = first_few([*near, *(each for each in names if each not in near)]) if names else "nothing"
    return f"{path} is not there; {parent} has: {there}"


def _owner(status: os.stat_result) -> str:
    mode = stat.S_IMODE(status.st_mode)
    return (
        f"which is user {status.st_uid}'s, group {status.st_gid}'s, mode {mode:04o} ({stat.filemode(status.st_mode)})"
    )
