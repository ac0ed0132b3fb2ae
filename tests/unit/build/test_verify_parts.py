"""Sizes, packages, the bill of materials, linked libraries and what oneDNN said: all that is not code."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from build.inspection import dispatch, sbom
from build.inspection.contents import File, Stream, of_archive, of_wheel
from build.inspection.libraries import Linked, linked, newest
from build.inspection.packages import installed
from build.inspection.sizes import Part, layers, of_layers, part, parts
from tests.unit.build import inspected

BASE = inspected.packed({"usr/bin/sh": b"s" * 3000})
ABOVE = inspected.packed({"opt/x/lib/python3.11/site-packages/tensorflow/a.so": b"a" * 5000, "opt/x/bin/y": b"y" * 10})


@pytest.mark.parametrize("save", [inspected.saved, inspected.saved_by_containerd], ids=["docker", "containerd"])
def test_sizes_of_an_image(save: Callable[[list[bytes]], bytes]) -> None:
    """Both forms of a saved image give the layers above the base: files unpacked, the layer's archive packed."""
    found = list(layers(inspected.in_pieces(save([BASE, ABOVE]))))
    assert {layer.digest for layer in found} == {inspected.digest(BASE), inspected.digest(ABOVE)}
    sizes = of_layers(found, {inspected.digest(BASE)}, "base:1")
    assert sizes.unpacked == 5010
    assert abs(sizes.packed - len(gzip.compress(ABOVE, 6))) < 30
    assert sizes.parts == (Part(name="tensorflow/a.so", size=5000), Part(name="opt/x", size=10))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("opt/s/lib/python3.11/site-packages/numpy/core/a.py", "numpy", id="package"),
        pytest.param("opt/s/lib/python3.11/site-packages/tensorflow/python/a.py", "tensorflow/python", id="tensorflow"),
        pytest.param("opt/s/lib/python3.11/site-packages/six.py", "six.py", id="module"),
        pytest.param("tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_cc.so.2", id="in-a-wheel"),
        pytest.param("usr/share/doc/bash/copyright", "usr/share", id="system"),
        pytest.param("etc/passwd", "etc", id="short"),
    ],
)
def test_part(path: str, expected: str) -> None:
    """A file belongs to a part that a reader can do something about."""
    assert part(path) == expected


def test_parts_in_order() -> None:
    """The largest part comes first, and files of one part add up."""
    files = [File(path="a/b/1", size=5), File(path="c/d/1", size=9), File(path="a/b/2", size=6)]
    assert parts(files) == (Part(name="a/b", size=11), Part(name="c/d", size=9))


def test_stream_in_odd_pieces() -> None:
    """Pieces of any size, empty ones too, come out as one file, and the tap sees each once."""
    seen: list[bytes] = []
    stream = Stream([b"", b"abc", b"", b"d"], seen.append)
    assert stream.read(2) + stream.read(100) + stream.read(100) + stream.read(100) == b"abcd"
    assert b"".join(seen) == b"abcd"


def test_contents_of_an_archive(tmp_path: Path) -> None:
    """Every file is listed with its size; only what is looked into is written."""
    files = {"/a/libx.so.1": b"12", "./a/x.dist-info/METADATA": b"3", "a/other": b"45678", "proc/y.so": b"9"}
    found = of_archive(inspected.in_pieces(inspected.packed(files, {"a/link": "other"})), tmp_path)
    sizes = {file.path: file.size for file in found.files}
    assert sizes == {"a/libx.so.1": 2, "a/x.dist-info/METADATA": 1, "a/other": 5, "proc/y.so": 1, "a/link": 0}
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"a/libx.so.1", "a/x.dist-info/METADATA"}


def test_contents_of_a_wheel(tmp_path: Path) -> None:
    """A wheel's library is found, its sizes are those unpacked."""
    wheel = inspected.wheel(
        tmp_path / "a.whl", {"tensorflow/libtensorflow_cc.so.2": b"x" * 999, "tensorflow/a.py": b""}
    )
    found = of_wheel(wheel, tmp_path / "unpacked")
    assert found.library() == tmp_path / "unpacked" / "tensorflow" / "libtensorflow_cc.so.2"
    assert [file.size for file in found.files] == [999, 0]


STATUS = b"""Package: bash
Status: install ok installed
Architecture: amd64
Version: 1:5.2-1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libgcc-s1
Status: install ok installed
Architecture: amd64
Version: 12
"""

PACKAGES: dict[str, bytes | None] = {
    "s/Pillow_X-1.0.dist-info/METADATA": b"Name: Pillow_X\nVersion: 1.0\nLicense-Expression: MIT\n\nText",
    "s/Pillow_X-1.0.dist-info/RECORD": b"pillow/LICENSE,,\npillow/COPYING,,\npillow/a.py,,\n",
    "s/Pillow_X-1.0.dist-info/licenses/TERMS": None,
    "s/pillow/LICENSE": None,
    "s/old-2.dist-info/top_level.txt": b"older\n",
    "s/older/sub/NOTICE": None,
    "s/older/notice.py": None,
    "s/old-2.dist-info/METADATA": b"Name: old\nVersion: 2\nClassifier: License :: OSI Approved :: BSD License\n\n",
    "var/lib/dpkg/status": STATUS,
    "usr/share/doc/bash/copyright": None,
    "usr/share/doc/libgcc-s1": None,
}


def test_packages(tmp_path: Path) -> None:
    """Names, versions, licences and licence files come from the metadata, and only files that are there count."""
    found = {package.url: package for package in installed(inspected.contents(tmp_path, PACKAGES))}
    assert list(found) == [
        "pkg:pypi/old@2",
        "pkg:pypi/pillow-x@1.0",
        "pkg:deb/debian/bash@1%3A5.2-1?arch=amd64",
        "pkg:deb/debian/libgcc-s1@12?arch=amd64",
    ]
    files = [package.licence_files for package in found.values()]
    own = ("s/Pillow_X-1.0.dist-info/licenses/TERMS", "s/pillow/LICENSE")
    assert files == [("s/older/sub/NOTICE",), own, ("usr/share/doc/bash/copyright",), ("usr/share/doc/libgcc-s1",)]
    assert [package.licence for package in found.values()] == ["BSD License", "MIT", "", ""]


def test_bill(tmp_path: Path) -> None:
    """The bill of real metadata has what the schema requires, an expression as such and a name as a name."""
    bill = sbom.bill("a:b", "container", installed(inspected.contents(tmp_path, PACKAGES)))
    assert list(sbom.problems(bill)) == []
    licences = [component.get("licenses") for component in bill["components"]]
    assert licences == [[{"license": {"name": "BSD License"}}], [{"expression": "MIT"}], None, None]


GOOD: dict[str, Any] = {"type": "library", "name": "a"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"bomFormat": "SPDX"}, "bomFormat is 'SPDX'", id="format"),
        pytest.param({"specVersion": None}, "specVersion is None", id="specification"),
        pytest.param({"version": 0}, "version is 0", id="version"),
        pytest.param({"components": [{"type": "library"}]}, "has the name None", id="no-name"),
        pytest.param({"components": [{"name": "a"}]}, "a has the type None", id="no-type"),
        pytest.param({"components": [{"name": "a", "type": "wheel"}]}, "a has the type 'wheel'", id="unknown-type"),
        pytest.param({"metadata": {"component": {"name": "x"}}}, "x has the type None", id="subject"),
        pytest.param(
            {"components": [GOOD | {"bom-ref": "r"}] * 2}, "bom-ref r is there more than once", id="reference"
        ),
        pytest.param({"components": [GOOD | {"licenses": [{}]}]}, "neither an expression", id="no-licence"),
        pytest.param({"components": [GOOD | {"licenses": [{"license": {}}]}]}, "nor one id or name", id="no-id"),
        pytest.param(
            {"components": [GOOD | {"licenses": [{"expression": "MIT"}, {"expression": "MIT"}]}]},
            "beside other licences",
            id="two-expressions",
        ),
    ],
)
def test_bill_problems(change: dict[str, Any], expected: str) -> None:
    """Each thing that the schema forbids, once in a document that is otherwise good, is found."""
    good = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [GOOD]}
    assert list(sbom.problems(good)) == []
    assert any(expected in problem for problem in sbom.problems(good | change))


def test_linked_libraries(tmp_path: Path) -> None:
    """A needed library is found in the tree by its name, or left to the system; a linker's script is no library."""
    (tmp_path / "tensorflow").mkdir()
    library = inspected.compiled(tmp_path / "tensorflow")
    found = linked(
        inspected.contents(
            tmp_path, {f"tensorflow/{library.name}": library.read_bytes(), "lib/libm.so.6": b"/* GNU ld script */"}
        )
    )
    assert found.objects == 1
    assert Linked(name="libm.so.6", path="lib/libm.so.6", users=1) in found.linked
    (libc,) = [library for library in found.linked if library.name == "libc.so.6"]
    assert (libc.path, libc.is_system) == ("", True)
    assert set(found.direct) == {library.name for library in found.linked}


def test_newest_versions() -> None:
    """Versions compare as numbers, not as texts, and names without a number are left out."""
    assert newest(["GLIBC_2.4", "GLIBC_2.27", "GLIBC_PRIVATE", "GCC_3.0"]) == ("GCC_3.0", "GLIBC_2.27")


SAID = """I0000 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use available CPU instructions.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.
onednn_verbose,v1,info,oneDNN v3.7.3 (commit N/A)
onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with Intel DL Boost
onednn_verbose,v1,primitive,info,template:operation,engine,primitive,implementation
onednn_verbose,v1,primitive,exec,cpu,matmul,brg_matmul:avx512_core,undef,src_f32,,,256x256:256x256,1.2
onednn_verbose,v1,primitive,exec,cpu,gemm_api,,undef,src_f32,,,256x256:256x256,1.2
multiplied 256x256"""


def test_dispatch() -> None:
    """oneDNN's instruction set, what it executed, and what TensorFlow was not compiled for are read from its output."""
    assert dispatch.parse(SAID.splitlines(), 0) == dispatch.Dispatch(
        version="v3.7.3",
        isa="Intel AVX-512 with Intel DL Boost",
        executed=("matmul: brg_matmul:avx512_core", "gemm_api"),
        unused=("AVX2", "FMA"),
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], "status 132, and no word", id="silent"),
        pytest.param(["a", "onednn_verbose,v1,info", "b"], "a\nb", id="words"),
    ],
)
def test_dispatch_failure(lines: list[str], expected: str) -> None:
    """A child that failed is reported with the end of what it printed itself."""
    assert dispatch.parse(lines, 132).failure == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, "", id="fits"),
        pytest.param({"machine": "aarch64"}, "it is for aarch64, and this machine is x86_64", id="machine"),
        pytest.param({"features": {"fma", "avx512f"}}, "this machine's CPU lacks avx512f", id="cpu"),
        pytest.param({"features": {"sse4.2"}}, "", id="named-otherwise"),
        pytest.param({"features": {"avx512f"}, "here_features": None}, "", id="nobody-knows"),
    ],
)
def test_obstacle(change: dict[str, Any], expected: str) -> None:
    """What this machine cannot run is not tried, for a signal would be its end."""
    values: dict[str, Any] = {
        "machine": "x86_64",
        "features": {"fma"},
        "here": "x86_64",
        "here_features": {"avx", "fma"},
    }
    assert dispatch.obstacle(**values | change).removeprefix("not tried: ") == expected
