"""A source that stands in for TensorFlow's, as a git repository: what the devel image reads of it, and no Bazel."""

import os
import shutil
import socketserver
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORDED: list[dict[str, Any]] = tomllib.loads((HERE / "bazelrc.toml").read_text())["copy"]
"""What is known of TensorFlow's own files; the first is the nearest to the version that is pinned."""


def source_files(copy: dict[str, Any]) -> dict[str, str]:
    """.bazelrc and WORKSPACE with what is known of a copy's, and nothing else."""
    hermetic = ["build --repo_env USE_HERMETIC_CC_TOOLCHAIN=1\n"] if copy["hermetic"] else []
    configurations = [f"build:{name} --define=stand_in=true\n" for name in copy["configurations"]]
    cuda = [f'build:cuda_version --repo_env={name}="{value}"\n' for name, value in copy["cuda_versions"].items()]
    compilers = [f'register_toolchains("@rules_ml_toolchain//cc:{name}")\n' for name in copy["compilers"]]
    return {
        ".bazelrc": "".join(hermetic + configurations + cuda),
        # By it bazelisk knows where .bazelversion is; that may name a program that is there already.
        "WORKSPACE": "".join(['workspace(name = "org_tensorflow")\n', *compilers]),
    }


def git(directory: Path, *arguments: str) -> str:
    """Run git there, as nobody in particular."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.invalid", "-c", "init.defaultBranch=master"]
    # Equal files give an equal commit, and so what is built from it is found in the engine's cache.
    when = {"GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    command, environment = ["git", *who, *arguments], {**os.environ, **when}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def make_repository(directory: Path, version: str, bazel: str = "/tensorflow/tools/bazel.sh") -> str:
    """A repository with one commit, tagged as a release of ``version``; the commit. ``bazel`` is what bazelisk runs."""
    files = {
        **source_files(RECORDED[0]),
        ".bazelversion": f"{bazel}\n",
        "tensorflow/tf_version.bzl": f'TF_VERSION = "{version}"\n',
    }
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (directory / "tools").mkdir()
    shutil.copy(HERE / "bazel.sh", directory / "tools")
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "A stand-in")
    git(directory, "tag", f"v{version}")
    return git(directory, "rev-parse", "HEAD")


@contextmanager
def served(directory: Path) -> Iterator[int]:
    """A port of this machine, on all its addresses, that gives what lies in ``directory`` by git's own protocol."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            command = ["git", "daemon", "--inetd", "--export-all", f"--base-path={directory}", str(directory)]
            subprocess.run(command, stdin=self.request, stdout=self.request, check=False)

    with socketserver.ThreadingTCPServer(("0.0.0.0", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
