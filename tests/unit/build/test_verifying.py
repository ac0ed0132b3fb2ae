"""How the command line and a plan's last step reach the module that looks into images."""

from collections.abc import Mapping, Sequence

import pytest

from build import verifying
from build.cli import main
from build.errors import VerifyError
from build.steps import VerifyImage
from build.verifying import verify_step


class FakeMain:
    """Stands for the module's ``main``: remembers its arguments and ends with a status."""

    def __init__(self) -> None:
        self.status = 0
        self.asked: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
        assert "PATH" in environment
        self.asked.append(list(arguments))
        return self.status


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> FakeMain:
    """The module's ``main``, replaced by one that is content."""
    fake = FakeMain()
    monkeypatch.setattr(verifying, "main", fake)
    return fake


def test_command_line_is_handed_on(asked: FakeMain) -> None:
    """Everything after the word is the module's own business, options and all."""
    assert main(["verify", "--image", "a:b", "--json"]) == 0
    assert asked.asked == [["--image", "a:b", "--json"]]


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        pytest.param("", ["--image", "a:b"], id="own-base"),
        pytest.param("c:d", ["--image", "a:b", "--base", "c:d"], id="another-base"),
    ],
)
def test_step(asked: FakeMain, base: str, expected: list[str]) -> None:
    """A plan's last step asks for its image."""
    verify_step(VerifyImage(summary="look", image="a:b", base_image=base), {"PATH": ""})
    assert asked.asked == [expected]


def test_broken_promise(asked: FakeMain, capsys: pytest.CaptureFixture[str]) -> None:
    """A status other than 0 is this tool's failure too, under its own code."""
    asked.status = 1
    assert main(["verify", "--image", "a:b"]) == VerifyError.exit_code
    assert "verify --image a:b: status 1" in capsys.readouterr().err
