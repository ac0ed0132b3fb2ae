"""Which releases of TensorFlow the options of a compile hold for. Pure; reads names of releases, not their source."""

import re

OLDEST = (2, 21)
"""The first whose own builds take a compiler that the source brings: docs/images.md, "What is compiled"."""

RELEASE = "--config=release"
"""Stands for those options in TF_SERVING_BUILD_OPTIONS, and for the default when that is empty."""


def older(version: str, branch: str, commit: str, build_options: str) -> str:
    """The name of a release that is too old for the options, "" when none is named or the options are the user's own.

    As in the devel image: a commit wins over a branch, a branch over the version. Nobody knows a commit's release.
    """
    if build_options and RELEASE not in build_options.split():
        return ""
    if commit and commit.lower() != "head":
        return ""
    name = version if branch in {"", "master", "main"} else branch
    found = re.fullmatch(r"[rv]?(\d+)\.(\d+)(?:\..*)?", name)
    return name if found and (int(found[1]), int(found[2])) < OLDEST else ""


def refusal(name: str) -> str:
    """A sentence about a release that is too old."""
    oldest = ".".join(map(str, OLDEST))
    return (
        f"TensorFlow {name} is older than {oldest}, from which on the options of this build hold: before, its release "
        "configuration is bound to the container of TensorFlow's own builds (/usr/lib/llvm-18, /dt9)."
    )
