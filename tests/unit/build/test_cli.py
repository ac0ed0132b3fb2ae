"""The command line: what it prints, what it refuses, and one exit status for each kind of failure."""

import signal
from pathlib import Path

import pytest

from build import cli
from build.cli import Interrupts, main, positive, repository, size
from build.errors import BuildError, catalogue
from build.variants import VARIANTS
from tests.unit.build.conftest import BASE


def planned(tree: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What ``plan`` prints for a tree."""
    assert main(["plan", *arguments], tree) == 0
    return capsys.readouterr().out


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address at which no engine answers."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("variant", [pytest.param(name, id=name) for name in VARIANTS])
def test_plan_needs_no_engine(tree: Path, capsys: pytest.CaptureFixture[str], variant: str) -> None:
    """A plan of every variant is printed without an engine, twice the same."""
    first = planned(tree, capsys, "--variant", variant)
    assert first == planned(tree, capsys, "--variant", variant)
    assert f"# {variant}: " in first
    assert "docker build" in first


def test_plan_leaves_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Printing a plan changes no file."""
    before = sorted(tree.rglob("*"))
    planned(tree, capsys, "--variant", "cpu-avx2")
    assert sorted(tree.rglob("*")) == before


def test_plan_of_a_goal(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan can be asked for one goal."""
    text = planned(tree, capsys, "wheel", "--variant", "cpu-avx2")
    assert "# 2/2 compile TensorFlow for haswell" in text
    assert "build verify" not in text


def test_plan_takes_the_options(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options stand in the commands."""
    text = planned(tree, capsys, "--variant", "cpu-avx2", "--memory", "16g", "--jobs", "3", "--base-image", BASE)
    for words in ("--memory 16000000000", "--env JOBS=3", f"--build-arg BASE_IMAGE={BASE}"):
        assert words in text


def test_build_arguments_reach_both_dockerfiles(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mirror's address is given to each build of the project's own Dockerfiles, as often as there are arguments."""
    more = ("--build-arg", "B=2", "--build-arg", "A=1=one")
    text = planned(tree, capsys, "--variant", "cpu-avx2", *more)
    assert text.count("--build-arg A=1=one") == text.count("--build-arg B=2") == 2


def test_nothing_to_compile(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A portable variant's wheel comes from the package index, which is no error."""
    assert main(["wheel", "--variant", "cpu"], tree) == 0
    assert "there is nothing to compile" in capsys.readouterr().out


@pytest.mark.usefixtures("no_engine")
def test_no_engine(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an engine the status is its own, and the message says how to start one or name another."""
    assert main(["runtime", "--variant", "cpu"], tree) == 10
    error = capsys.readouterr().err
    assert error.startswith("error: No Docker engine answers")
    assert "next: start one" in error
    assert "DOCKER_HOST" in error


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["plan", "--variant", "cpu-avx3"], "cpu-avx2, cpu-avx512", id="variant"),
        pytest.param(["plan", "--variant", "x" * 5000], "There is no variant", id="long-variant"),
    ],
)
def test_bad_input(tree: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    """A value that makes no sense ends with status 2 and with what would."""
    assert main(arguments, tree) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert len(error) < 1000


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no-command"),
        pytest.param(["plan"], id="no-variant"),
        pytest.param(["wheel", "--variant", "cpu-avx2", "--jobs", "0"], id="no-jobs"),
        pytest.param(["wheel", "--variant", "cpu-avx2", "--memory", "much"], id="no-size"),
        pytest.param(["wheel", "--variant", "cpu-avx2", "--build-arg", "MIRROR"], id="no-value"),
        pytest.param(["make", "--variant", "cpu-avx2"], id="unknown-command"),
    ],
)
def test_usage(tree: Path, arguments: list[str]) -> None:
    """Arguments that cannot be read end with status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments, tree)
    assert ended.value.code == 2


def test_interrupted(tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with the shell's status for it, and says that a compile resumes."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    assert main(["all", "--variant", "cpu-avx2"], tree) == 130
    assert "resumes" in capsys.readouterr().err


def test_help_has_every_variant_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists the variants and the exit codes from their tables."""
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for name in VARIANTS:
        assert f"\n  {name} " in text
    for code in catalogue():
        assert f"\n  {code:3}  " in text


def test_exit_codes_are_different() -> None:
    """Each error has a code of its own; 0 is success and 1 a defect of the tool."""
    codes = catalogue()
    assert set(codes.values()) == set(BuildError.__subclasses__())
    assert not {0, 1} & set(codes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("16g", 16_000_000_000, id="giga"),
        pytest.param("512M", 512_000_000, id="upper-case"),
        pytest.param("8gb", 8_000_000_000, id="with-b"),
        pytest.param("1000", 1000, id="bytes"),
    ],
)
def test_size(text: str, expected: int) -> None:
    """Sizes as Docker's users write them, in powers of ten."""
    assert size(text) == expected


def test_positive() -> None:
    """A number of jobs is a number."""
    assert positive("12") == 12


def test_only_the_third_signal_breaks_the_tidying() -> None:
    """The first ends the work, the second is answered with a sentence, the third gives up the container."""
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt):
        interrupts(signal.SIGINT, None)
    interrupts(signal.SIGTERM, None)
    with pytest.raises(KeyboardInterrupt):
        interrupts(signal.SIGINT, None)


def test_a_plan_shows_tags_and_time(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tags that people know and the time for the labels stand in the command."""
    text = planned(
        tree, capsys, "--variant", "gpu", "--tag-prefix", "r.example:5000/a/s", "--created", "2026-01-31T12:00:00Z"
    )
    assert "--tag r.example:5000/a/s:latest-gpu" in text
    assert "--build-arg CREATED=2026-01-31T12:00:00Z" in text


@pytest.mark.parametrize("name", ["", "serving", "me/serving", "r.example:5000/a/b-c"])
def test_repositories(name: str) -> None:
    """A repository's name is taken as it is."""
    assert repository(name) == name


@pytest.mark.parametrize("name", ["me/serving:latest", "Me/Serving", "-serving", "a b"])
def test_what_is_no_repository(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A tag of one's own, or what no engine would take, is refused with what was given."""
    with pytest.raises(SystemExit):
        main(["plan", "--variant", "cpu", f"--tag-prefix={name}"])
    assert f"without a tag, such as me/serving: {name}" in capsys.readouterr().err
