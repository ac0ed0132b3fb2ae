"""What decides the tags is read from the tree: each file that a Dockerfile copies, and nothing else."""

from pathlib import Path

import pytest

from build.errors import InputError
from build.inputs import copied, digests, read_inputs
from build.variants import VARIANTS

AVX2 = VARIANTS["cpu-avx2"]

DOCKERFILE = """\
FROM base AS a
COPY one.txt /one.txt
COPY --chown=1:1 two.txt \\
	three /there/
COPY --from=a /made /made
RUN echo COPY four.txt /four
add five/* /five/
"""


def test_copied() -> None:
    """Sources of COPY and ADD are found over continued lines; other stages and shell text are not sources."""
    assert list(copied(DOCKERFILE)) == ["one.txt", "two.txt", "three", "five/*"]


def test_digests(tmp_path: Path) -> None:
    """The Dockerfile, files, all files of a directory and of a pattern, by their path."""
    (tmp_path / "Dockerfile").write_text("FROM a\nCOPY a.txt sub /x/\nCOPY other/*.sh /y/\n")
    for name in ("a.txt", "unused.txt", "sub/b/c.py", "sub/__pycache__/c.pyc", "other/d.sh", "other/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    found = digests(tmp_path, "Dockerfile")
    assert list(found) == ["Dockerfile", "a.txt", "other/d.sh", "sub/b/c.py"]
    assert all(len(digest) == 64 for digest in found.values())
    assert len(set(found.values())) == 4


def test_read_inputs(tree: Path) -> None:
    """Versions come from the pins and the server, files from both Dockerfiles."""
    inputs = read_inputs(AVX2, tree)
    assert (inputs.tensorflow, inputs.server) == ("2.21.0", "0.0.1")
    assert set(inputs.devel_files) == {
        "Dockerfile.devel",
        "build/images/compile-tensorflow.sh",
        "build/images/small.c",
    }
    assert set(inputs.runtime_files) == {"Dockerfile", "serving/__init__.py"}


def test_content_counts_and_time_does_not(tree: Path) -> None:
    """A touched file is the same input; a changed one is another."""
    path = tree / "serving" / "__init__.py"
    before = read_inputs(AVX2, tree)
    path.touch()
    assert read_inputs(AVX2, tree) == before
    path.write_text(path.read_text() + "\n")
    assert read_inputs(AVX2, tree) != before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Dockerfile.devel", "There is no Dockerfile.devel", id="devel"),
        pytest.param("Dockerfile", "There is no Dockerfile", id="runtime"),
    ],
)
def test_missing_file(tree: Path, name: str, expected: str) -> None:
    """A tree that is not whole is named as such."""
    (tree / name).unlink()
    with pytest.raises(InputError, match=expected):
        read_inputs(AVX2, tree)


def test_portable_variant_needs_no_devel_file(tree: Path) -> None:
    """What is not compiled does not depend on how one would compile it."""
    (tree / "Dockerfile.devel").unlink()
    assert read_inputs(VARIANTS["cpu"], tree).devel_files == {}


def test_server_without_version(tree: Path) -> None:
    """Without the server's version there is no tag."""
    (tree / "serving" / "__init__.py").write_text("")
    with pytest.raises(InputError, match="__version__"):
        read_inputs(AVX2, tree)
