"""The devel image's scripts: source, compile, build.json, with a Bazel that compiles nothing. Needs no Docker."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.image.containers import ROOT
from tests.unit.images.scripts import DEVEL, IMAGES, Done, run, write_program
from tests.unit.images.stand_in import RECORDED, git, make_repository, source_files
from tests.unit.images.test_devel_pins import PINS

COMPILE = IMAGES / "compile-tensorflow.sh"
FETCH = DEVEL / "fetch-source"

MAKES_A_WHEEL = """
house=bazel-bin/tensorflow/tools/pip_package/wheel_house
mkdir -p $house
echo wheel >$house/tensorflow_cpu-2.21.0-cp311-cp311-linux_x86_64.whl
echo wheel of another day >$house/tensorflow_cpu-2.20.0-cp311-cp311-linux_x86_64.whl
"""
WHEEL = "tensorflow_cpu-2.21.0-cp311-cp311-linux_x86_64.whl"


class Compile:
    """A source, programs in place of Bazel's and the compiler's, and directories for what comes out."""

    def __init__(self, directory: Path, bazel: str = MAKES_A_WHEEL) -> None:
        self.source = directory / "source"
        self.source.mkdir()
        self.be(RECORDED[0])
        (self.source / ".bazelversion").write_text("7.4.1\n# a note\n")
        self.programs = directory / "programs"
        self.output = directory / "wheels"
        write_program(self.programs, "bazel", f'printf "%s\\n" "$@" >"{directory}/given"\n{bazel}')
        write_program(self.programs, "cpu-features", 'echo "$*" >"$CACHE/flags"; echo avx avx2 fma')
        write_program(self.programs, "prove-wheel", """echo '{"compiler": "Clang 18.1.8"}'""")
        self.given = directory / "given"
        self.cpuinfo = directory / "cpuinfo"
        self.cpuinfo.write_text("flags\t\t: fpu avx avx2 fma\n")
        self.environment = {
            "TENSORFLOW_VERSION": "2.21.0",
            "MACHINE": "x86_64",
            "JOBS": "2",
            "SOURCE": str(self.source),
            "OUTPUT": str(self.output),
            "CACHE": str(directory / "cache"),
            "CPUINFO": str(self.cpuinfo),
            "GPU_LOCK": str(ROOT / "requirements-gpu.lock"),
        }

    def be(self, copy: dict[str, Any]) -> None:
        """Give the source what is known of a copy of TensorFlow's."""
        for name, text in source_files(copy).items():
            (self.source / name).write_text(text)

    def run(self, **more: str) -> Done:
        """Run the script."""
        return run(COMPILE, programs=self.programs, environment=self.environment | more)

    def described(self) -> Any:
        """build.json."""
        return json.loads((self.output / "build.json").read_text())


def test_a_compile_leaves_the_wheel_and_its_description(tmp_path: Path) -> None:
    """The wheel of this version, and what it was made of, of which the CPU check and the runtime image read parts."""
    compile = Compile(tmp_path)
    done = compile.run(TF_SERVING_BAZEL_OPTIONS="--copt=-O3")
    assert done.status == 0, done
    assert sorted(path.name for path in compile.output.iterdir()) == ["build.json", WHEEL]
    assert compile.described() == {
        "schema": 1,
        "tensorflow": "2.21.0",
        "tensorflow_commit": "",
        "architecture": "x86_64",
        "cpu_target": "haswell",
        "cpu_features": ["avx", "avx2", "fma"],
        "cuda": False,
        "cuda_compute_capabilities": [],
        "build_options": "--config=release",
        "bazel_options": "--copt=-O3",
        "bazel": "7.4.1",
        "compiler": "Clang 18.1.8",
        "proved": True,
        "wheel": WHEEL,
        "wheel_sha256": hashlib.sha256(b"wheel\n").hexdigest(),
    }


def test_bazel_gets_the_printed_command_line(tmp_path: Path) -> None:
    """What --print shows is what is run."""
    compile = Compile(tmp_path)
    printed = run(COMPILE, "--print", programs=compile.programs, environment=compile.environment)
    assert compile.run().status == 0
    assert compile.given.read_text().splitlines() == printed.words


def test_a_second_compile_replaces_the_first(tmp_path: Path) -> None:
    """One wheel lies there at the end, not that of another day as well."""
    compile = Compile(tmp_path)
    compile.output.mkdir()
    (compile.output / "tensorflow_cpu-2.20.0-cp311-cp311-linux_x86_64.whl").write_text("old")
    assert compile.run().status == 0
    assert [path.name for path in compile.output.glob("*.whl")] == [WHEEL]


@pytest.mark.parametrize(
    ("more", "flags"),
    [
        pytest.param({}, "-mavx -mavx -march=haswell -O3", id="target"),
        pytest.param({"TF_SERVING_BUILD_OPTIONS": "--copt=-mavx2"}, "-mavx2 -O3", id="ones-own"),
        pytest.param({"TF_SERVING_BUILD_OPTIONS": "--config=mkl"}, "-O3", id="none"),
        pytest.param(
            {"TF_SERVING_BAZEL_OPTIONS": "--copt=-mfma"}, "-mavx -mavx -march=haswell -mfma -O3", id="bazel-options"
        ),
    ],
)
def test_features_are_those_of_all_flags(tmp_path: Path, more: dict[str, str], flags: str) -> None:
    """The compiler is asked with the flags that it compiled with, those of the user's options included."""
    compile = Compile(tmp_path)
    assert compile.run(**more).status == 0
    assert (tmp_path / "cache" / "flags").read_text().strip() == flags


@pytest.mark.parametrize(
    ("prove", "has", "proved"),
    [
        pytest.param("auto", "avx avx2 fma", True, id="auto"),
        pytest.param("auto", "avx avx2", False, id="auto-on-a-lesser-cpu"),
        pytest.param("1", "avx", True, id="always"),
        pytest.param("0", "avx avx2 fma", False, id="never"),
    ],
)
def test_a_wheel_is_tried_where_it_can_run(tmp_path: Path, prove: str, has: str, proved: bool) -> None:
    """build.json says whether the wheel was seen to work."""
    compile = Compile(tmp_path)
    compile.cpuinfo.write_text(f"flags\t\t: fpu {has}\n")
    done = compile.run(PROVE=prove)
    assert done.status == 0, done
    assert compile.described()["proved"] is proved
    assert ("this CPU has no fma" in done.errors) == (prove == "auto" and not proved)


@pytest.mark.parametrize(
    ("bazel", "status", "message"),
    [
        pytest.param("exit 1", 1, "", id="a-compile-error"),
        pytest.param("exit 37", 37, "a smaller JOBS", id="bazel-was-killed"),
        pytest.param("true", 5, "tensorflow_cpu-2.21.0-*.whl; expected one", id="no-wheel"),
    ],
)
def test_a_failed_compile_leaves_no_description(tmp_path: Path, bazel: str, status: int, message: str) -> None:
    """The status is Bazel's own, or one that says what is missing; nobody takes it for a compile that is done."""
    compile = Compile(tmp_path, bazel=bazel)
    done = compile.run()
    assert done.status == status, done
    assert message in done.errors
    assert not (compile.output / "build.json").exists()


def test_a_wheel_that_does_not_work_is_no_success(tmp_path: Path) -> None:
    """A proof that fails ends it with a status of its own, before build.json is there."""
    compile = Compile(tmp_path)
    write_program(compile.programs, "prove-wheel", "exit 1")
    done = compile.run()
    assert done.status == 6, done
    assert not (compile.output / "build.json").exists()


def test_an_unknown_configuration_is_found_before_hours_are_spent(tmp_path: Path) -> None:
    """What the source's .bazelrc does not have is said, with what it has, and Bazel is not started."""
    compile = Compile(tmp_path)
    (compile.source / ".bazelrc").write_text(
        "build --repo_env USE_HERMETIC_CC_TOOLCHAIN=1\n"
        "build:cuda_wheel --a=b\nbuild:release_linux --a=b\n# build:release_cpu_linux\n"
    )
    done = compile.run()
    assert done.status == 3, done
    assert 'no configuration "release_cpu_linux"' in done.errors
    assert "It has: release_linux" in done.errors
    assert not compile.given.exists()


def test_an_older_release_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """A source without a compiler, as r2.19, does not get the options of this one; options of one's own are tried."""
    compile = Compile(tmp_path)
    compile.be(RECORDED[-1])
    done = compile.run()
    assert done.status == 3, done
    assert "hold from 2.21 on" in done.errors
    assert not compile.given.exists()
    assert compile.run(TF_SERVING_BUILD_OPTIONS="--config=mkl").status == 0


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        pytest.param({}, 0, "CUDA: compiled for 12.5.1, run with 12.", id="as-the-source-says"),
        pytest.param({}, 0, "cuDNN: compiled for 9.3.0, run with 9.", id="cudnn"),
        pytest.param(
            {"TF_SERVING_BAZEL_OPTIONS": "--repo_env=HERMETIC_CUDA_VERSION=13.0.0"},
            3,
            "error: TensorFlow would be compiled for CUDA 13.0.0; requirements-gpu.lock has 12.",
            id="another-major-version",
        ),
        pytest.param(
            {"TF_SERVING_BAZEL_OPTIONS": "--repo_env=HERMETIC_CUDNN_VERSION=9.99.0"},
            3,
            "error: TensorFlow would be compiled for cuDNN 9.99.0; requirements-gpu.lock has 9.",
            id="newer-than-the-locks",
        ),
        pytest.param(
            {"TF_SERVING_BAZEL_OPTIONS": "--repo_env=HERMETIC_CUDA_VERSION=12.6.3"},
            0,
            "CUDA: compiled for 12.6.3",
            id="ones-own",
        ),
    ],
)
def test_cuda_is_one_that_the_lock_runs(tmp_path: Path, more: dict[str, str], status: int, said: str) -> None:
    """NVIDIA's libraries in the runtime image are of the same major version as those compiled for, and not older."""
    compile = Compile(tmp_path, bazel=MAKES_A_WHEEL.replace("tensorflow_cpu", "tensorflow"))
    done = compile.run(CUDA="1", **more)
    assert done.status == status, done
    assert said in done.errors
    assert compile.given.exists() == (status == 0)


def test_without_cuda_nobody_asks_for_it(tmp_path: Path) -> None:
    """The comparison is for compiles with CUDA."""
    assert "CUDA" not in Compile(tmp_path).run().errors


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A source with the release 2.21.0, a branch r2.21 beyond it, and the release 2.20.0."""
    directory = tmp_path / "repository"
    make_repository(directory, "2.21.0")
    git(directory, "checkout", "--quiet", "-b", "r2.21")
    git(directory, "commit", "--quiet", "--allow-empty", "--message", "later")
    git(directory, "checkout", "--quiet", "-b", "r2.20")
    (directory / "tensorflow" / "tf_version.bzl").write_text('TF_VERSION = "2.20.0"\n')
    git(directory, "commit", "--quiet", "--all", "--message", "another version")
    git(directory, "tag", "v2.20.0")
    # As on GitHub, a commit may be asked for by its name.
    git(directory, "config", "uploadpack.allowReachableSHA1InWant", "true")
    return directory


def fetch(repository: Path, target: Path, **more: str) -> Done:
    """Run fetch-source."""
    environment = {"TENSORFLOW_VERSION": "2.21.0", "TENSORFLOW_GIT_URL": f"file://{repository}"}
    return run(FETCH, str(target), environment=environment | more)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({}, "v2.21.0", id="the-version"),
        pytest.param({"TF_SERVING_VERSION_GIT_BRANCH": "master"}, "v2.21.0", id="upstreams-default"),
        pytest.param({"TF_SERVING_VERSION_GIT_COMMIT": "HEAD"}, "v2.21.0", id="upstreams-default-commit"),
        pytest.param({"TF_SERVING_VERSION_GIT_COMMIT": "head"}, "v2.21.0", id="as-the-runtime-image-spells-it"),
        pytest.param({"TF_SERVING_VERSION_GIT_BRANCH": "2.21.0"}, "v2.21.0", id="release"),
        pytest.param({"TF_SERVING_VERSION_GIT_BRANCH": "v2.21.0"}, "v2.21.0", id="tag"),
        pytest.param({"TF_SERVING_VERSION_GIT_BRANCH": "r2.21"}, "r2.21", id="branch"),
        pytest.param(
            {"TF_SERVING_VERSION_GIT_BRANCH": "2.20.0", "TENSORFLOW_VERSION": "2.20.0"}, "v2.20.0", id="another-release"
        ),
        pytest.param(
            {"TENSORFLOW_VERSION": "2.20.0", "TENSORFLOW_COMMIT": PINS["tensorflow"]["commit"]},
            "v2.20.0",
            id="another-version-with-the-default-commit",
        ),
    ],
)
def test_the_source_is_what_was_asked_for(
    repository: Path, tmp_path: Path, more: dict[str, str], expected: str
) -> None:
    """Upstream's arguments name releases and branches of TensorFlow; only the newest history comes along."""
    done = fetch(repository, tmp_path / "tensorflow", **({"TENSORFLOW_COMMIT": "any"} | more))
    assert done.status == 0, done
    found = git(tmp_path / "tensorflow", "rev-parse", "HEAD")
    assert found == git(repository, "rev-parse", f"{expected}^{{commit}}")
    assert found in done.output
    assert git(tmp_path / "tensorflow", "rev-list", "--count", "HEAD") == "1"


def test_the_source_may_be_any_commit(repository: Path, tmp_path: Path) -> None:
    """A whole commit wins over the branch."""
    commit = git(repository, "rev-parse", "r2.21")
    done = fetch(repository, tmp_path / "tensorflow", TF_SERVING_VERSION_GIT_COMMIT=commit)
    assert done.status == 0, done
    assert git(tmp_path / "tensorflow", "rev-parse", "HEAD") == commit


def test_the_releases_tag_is_kept(repository: Path, tmp_path: Path) -> None:
    """TensorFlow names itself by it."""
    fetch(repository, tmp_path / "tensorflow", TENSORFLOW_COMMIT=git(repository, "rev-parse", "v2.21.0"))
    assert git(tmp_path / "tensorflow", "describe", "--tags") == "v2.21.0"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param({"TENSORFLOW_COMMIT": "a" * 40}, "expected aaaaa", id="a-tag-that-moved"),
        pytest.param(
            {"TF_SERVING_VERSION_GIT_BRANCH": "2.20.0"}, "--build-arg TENSORFLOW_VERSION=2.20.0", id="version"
        ),
        pytest.param({"TF_SERVING_VERSION_GIT_BRANCH": "nightly"}, "has no refs/heads/nightly", id="branch"),
        pytest.param({"TF_SERVING_VERSION_GIT_COMMIT": "b" * 40}, "not of TensorFlow Serving", id="commit"),
    ],
)
def test_a_wrong_source_is_explained(repository: Path, tmp_path: Path, more: dict[str, str], message: str) -> None:
    """It ends there, with what was asked for and what to give instead."""
    done = fetch(repository, tmp_path / "tensorflow", **more)
    assert done.status != 0
    assert message in done.errors
