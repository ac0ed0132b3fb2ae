"""A clone of this checkout as its next reader will get it: what is tracked or about to be, and nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def git(*arguments: str, directory: Path = ROOT) -> str:
    """What a git command prints."""
    done = subprocess.run(["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_clone(directory: Path) -> Path:
    """Clone into ``directory``, with what is changed here and not ignored. Skips where there is no git checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    git("clone", "--quiet", "--no-tags", str(ROOT), str(directory))
    changed = git("diff", "-z", "--name-only", "--no-renames", "HEAD")
    for name in (changed + git("ls-files", "-z", "--others", "--exclude-standard")).split("\0")[:-1]:
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, directory / name)
        else:
            (directory / name).unlink(missing_ok=True)
    return directory
