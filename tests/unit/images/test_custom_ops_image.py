"""The Dockerfile of examples/custom_ops as its page has it."""

from tests.image.containers import ROOT

DOCKERFILE = ROOT / "examples" / "custom_ops" / "Dockerfile"


def test_the_dockerfile_has_three_lines() -> None:
    """What the page promises."""
    words = [line.split()[0] for line in DOCKERFILE.read_text().splitlines()]
    assert words == ["FROM", "COPY", "ENTRYPOINT"]
