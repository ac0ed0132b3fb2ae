"""Which origins a list allows: how they are written on the command line, and what each is told."""

import pytest

from serving.errors import ConfigurationError
from serving.rest.cors import VARIES, Listed, origins


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", (), id="none"),
        pytest.param(" , ", (), id="only commas"),
        pytest.param("https://a.example", ("https://a.example",), id="one"),
        pytest.param("https://a.example, http://b:8080", ("https://a.example", "http://b:8080"), id="two and a blank"),
        pytest.param("HTTPS://A.Example", ("https://a.example",), id="browsers write small letters"),
        pytest.param("https://a:443,http://b:80", ("https://a", "http://b"), id="browsers leave out the usual port"),
        pytest.param("http://a:443", ("http://a:443",), id="the usual port of the other scheme"),
        pytest.param("http://[::1]:3000", ("http://[::1]:3000",), id="IPv6"),
    ],
)
def test_origins(text: str, expected: tuple[str, ...]) -> None:
    """They are taken as a browser would write them."""
    assert origins(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "a.example",
        "https://",
        "https://*.example.com",
        "https://a.example/",
        "https://a.example/path",
        "https://user@a.example",
        "https://a.example:port",
        "file://a",
        "https://a.example\r\nX-Other: 1",
        "https://a.example https://b.example",
    ],
)
def test_what_is_no_origin(text: str) -> None:
    """It is refused at the start, and the error names the flag, the entry and the flag for every site."""
    with pytest.raises(ConfigurationError, match="rest_api_cors_allowed_origins") as refused:
        origins(f"https://a.example,{text}")
    assert repr(text) in str(refused.value)
    assert "--rest_api_enable_cors_support" in str(refused.value)


@pytest.mark.parametrize(
    "origin", ["", "null", "https://b.example", "http://a.example", "https://a.example.evil", "HTTPS://A.EXAMPLE"]
)
def test_others_are_told_nothing(origin: str) -> None:
    """Neither an answer nor a preflight says anything but that it depends on the origin."""
    listed = Listed(("https://a.example",))
    assert (listed.lines({"origin": origin}), listed.preflight(origin), listed.allows(origin)) == (
        VARIES,
        VARIES,
        False,
    )
