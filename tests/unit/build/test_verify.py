"""The report as a whole: what it promises, how it reads, and how a wheel or an image gets into it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from build.errors import EngineLostError, InputError, VerifyError
from build.inspection import images
from build.inspection.dispatch import Dispatch
from build.inspection.families import Family
from build.inspection.libraries import Libraries, Linked
from build.inspection.packages import Package
from build.inspection.promises import problems
from build.inspection.rendering import rendered
from build.inspection.report import Subject, as_json
from build.inspection.sizes import Part, Sizes
from build.verify import main, report_image, report_wheel
from tests.unit.build import inspected
from tests.unit.build.engines import Program
from tests.unit.build.inspected import FakeImages, counted, report

BASE, ABOVE = inspected.packed({"usr/a": b"1"}), inspected.packed({"opt/b/c": b"22"})
LARGE = Sizes(unpacked=950_000_001, packed=275_000_001, parts=(), base="c:d")
DRIVERS = Linked(name="libcuda.so.1", path="", users=1)
ABSENT = Linked(name="libx.so.1", path="", users=1)
BARE = Package(kind="pypi", name="tensorflow_cpu", version="2.21.0")
SYSTEM = Linked(name="libc.so.6", path="", users=1)


def needing(library: Linked) -> Libraries:
    """Libraries of which libtensorflow_cc needs one."""
    return Libraries(objects=1, linked=(library,), direct=(library.name,), newest=())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, [], id="good"),
        pytest.param({"description": {}, "counts": (counted(Family.EIGEN, avx=1, fma=1),)}, [], id="nothing-promised"),
        pytest.param(
            {"counts": (counted(None, fma=9), counted(Family.EIGEN, avx=1, avx2=5))},
            ["asks the CPU for fma"],
            id="no-fma",
        ),
        pytest.param(
            {"counts": (counted(Family.EIGEN, avx=1, avx2=5, fma=1, avx512=7),)},
            ["does not ask the CPU for avx512f, and Eigen's kernels have 7"],
            id="more-than-it-says",
        ),
        pytest.param(
            {"counts": (counted(Family.EIGEN, avx=1, avx2=5, fma=1), counted(Family.CHOSEN, avx512=7))}, [], id="chosen"
        ),
        pytest.param({"dispatch": Dispatch(failure="killed")}, ["could not be multiplied: killed"], id="no-product"),
        pytest.param({"dispatch": Dispatch(skipped="not tried")}, [], id="not-tried"),
        pytest.param({"library": ""}, ["there is no libtensorflow_cc"], id="no-library"),
        pytest.param({"libraries": needing(ABSENT)}, ["needs libx.so.1"], id="absent"),
        pytest.param({"libraries": needing(DRIVERS)}, [], id="the-drivers"),
        pytest.param({"libraries": needing(SYSTEM)}, ["needs libc.so.6"], id="absent-from-an-image"),
        pytest.param({"libraries": needing(SYSTEM), "subject": Subject.WHEEL}, [], id="the-systems"),
        pytest.param({"packages": (BARE,)}, ["tensorflow_cpu has no licence file"], id="no-licence"),
        pytest.param({"packages": (replace(BARE, licence_files=("a",)),)}, [], id="licence"),
        pytest.param(
            {"packages": (replace(BARE, name="openvino"),)},
            ["openvino has no licence file"],
            id="no-licence-of-openvino",
        ),
        pytest.param({"packages": (replace(BARE, name="flatbuffers"),)}, [], id="no-licence-of-anothers"),
        pytest.param({"bill": {"bomFormat": "CycloneDX"}}, ["the bill of materials: specVersion"], id="bill"),
        pytest.param({"sizes": LARGE}, ["unpacked it is 950.0 MB", "gzip` it is 275.0 MB"], id="large"),
        pytest.param({"sizes": LARGE, "subject": Subject.WHEEL}, [], id="large-wheel"),
        pytest.param({"sizes": LARGE, "labels": {"serving.variant": "gpu"}}, [], id="large-for-gpu"),
        pytest.param({"sizes": Sizes(unpacked=10**9, packed=10**9, parts=())}, [], id="with-a-base-that-is-not-known"),
    ],
)
def test_promises(changes: dict[str, Any], expected: list[str]) -> None:
    """Each broken promise is a sentence, and only a broken one is."""
    found = list(problems(report(**changes)))
    assert len(found) == len(expected)
    assert all(text in problem for text, problem in zip(expected, found, strict=True))


def test_rendered() -> None:
    """The text has each section, the five largest parts, and the rest in one line."""
    parts = tuple(Part(name=f"part{number}", size=(9 - number) * 1_000_000) for number in range(7))
    text = rendered(report(sizes=Sizes(unpacked=42_000_000, packed=7_000_000, parts=parts, base="c:d")))
    for line in (
        "image: a:b",
        "build.json: TensorFlow 2.21.0 for haswell; needs of the CPU: avx avx2 fma",
        "  oneDNN v3.7.3 generates code for: Intel AVX2",
        "  this CPU has and TensorFlow's own code was not compiled for: AVX512F",
        "size: 42.0 MB unpacked, 7.0 MB as `docker save | gzip`, everything above c:d",
        "      5.0 MB  part4",
        "      7.0 MB  2 others",
        "from `docker run` to the first answer of half_plus_two: 1.50 s",
    ):
        assert line in text.splitlines()
    assert "part5" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_json() -> None:
    """The same as JSON, with the counts by the names of the families."""
    found = json.loads(json.dumps(as_json(report())))
    assert [row["family"] for row in found["instructions"]] == ["all", "eigen"]
    assert found["instructions"][1] | {"AVX2": 5, "FMA": 4, "AVX-512": 0} == found["instructions"][1]
    assert found["sbom"]["bomFormat"] == "CycloneDX"


def test_wheel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wheel is read with the build.json beside it; one without the library breaks its promise, which is status 1."""
    wheel = inspected.wheel(tmp_path / "a.whl", {"a/b.py": b"1", "a-1.dist-info/METADATA": b"Name: a\nVersion: 1\n\n"})
    (tmp_path / "build.json").write_text('{"tensorflow": "1", "cpu_target": "x", "cpu_features": ["avx"]}')
    assert main(["--wheel", str(wheel), "--sbom", str(tmp_path / "sbom.json")], {}) == 1
    printed = capsys.readouterr()
    assert "needs of the CPU: avx" in printed.out
    assert printed.out.startswith("verdict: ")
    assert "\n  there is no libtensorflow_cc" in printed.out.partition("\n\n")[0]
    assert printed.err.startswith("verify,   0 s: unpacking the wheel's libraries ...\n")
    assert "broken promise: there is no libtensorflow_cc" in printed.err
    assert json.loads((tmp_path / "sbom.json").read_text())["components"][0]["name"] == "a"


@pytest.mark.parametrize("content", [None, b"not a zip"], ids=["absent", "broken"])
def test_no_wheel(tmp_path: Path, content: bytes | None) -> None:
    """What is not there, or no wheel, is an error of the input."""
    if content is not None:
        (tmp_path / "a.whl").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.whl"):
        report_wheel(tmp_path / "a.whl")


@pytest.fixture
def engine() -> FakeImages:
    """An engine with an image on a base, which answers at once."""
    program = Program(prints=b'first answer: "predictions":[2.5,3.0,4.5]}\n')
    return FakeImages(
        program,
        layers={"base:1": [BASE], "image:1": [BASE, ABOVE], "other:1": [ABOVE]},
        file_system={"opt/x/build.json": b'{"cpu_features": ["fma"]}', "var/lib/dpkg/status": b""},
    )


def test_image(engine: FakeImages) -> None:
    """An image's report has its description, labels and sizes above the base; every container is removed."""
    found = report_image(engine, "image:1", "base:1")
    assert found.cpu_features == frozenset({"fma"})
    assert found.labels == {"serving.variant": "cpu"}
    assert (found.sizes.unpacked, found.sizes.base) == (2, "base:1")
    assert found.first_answer_seconds is not None
    assert engine.alive == set()


def test_image_on_another_base(engine: FakeImages) -> None:
    """A base that is not below the image is refused, and so is one that is not there."""
    with pytest.raises(VerifyError, match="not built on other:1"):
        images.sizes(engine, "image:1", "other:1")
    with pytest.raises(EngineLostError):
        images.sizes(engine, "image:1", "none:1")


def test_image_without_its_base(engine: FakeImages) -> None:
    """Without the Dockerfile's own base in the engine everything is counted, and no base is named."""
    assert images.sizes(engine, "image:1", "") == Sizes(
        unpacked=3, packed=images.sizes(engine, "image:1", "").packed, parts=images.sizes(engine, "image:1", "").parts
    )


def test_default_base(engine: FakeImages) -> None:
    """The Dockerfile's own base is left out without being named."""
    engine.layers[images.default_base()] = [BASE]
    assert images.sizes(engine, "image:1", "").base == images.default_base()


def test_time_to_the_first_answer(engine: FakeImages) -> None:
    """The time runs from before the container is made until its answer is read."""
    times = iter([10.0, 11.5])
    assert images.first_answer_seconds(engine, "image:1", lambda: next(times)) == 1.5


def test_no_answer(engine: FakeImages) -> None:
    """A server that ends is a failure with its last words, and its container is gone."""
    engine.program = Program(prints=b"starting\nno such CPU\n", status=3)
    with pytest.raises(VerifyError, match=r"status 3:\n  \| starting\n  \| no such CPU"):
        images.first_answer_seconds(engine, "image:1")
    assert engine.alive == set()
