"""What a principal may use: names as they are, and with stars for any characters."""

import pytest

from serving.inference.principal import Principal, Right


@pytest.mark.parametrize(
    ("models", "yes", "no"),
    [
        pytest.param(None, ["", "m", "any*thing"], [], id="all"),
        pytest.param(("m",), ["m"], ["", "M", "mm", "n"], id="a name"),
        pytest.param(("a.b", "n[1]"), ["a.b", "n[1]"], ["axb", "n1"], id="names are no patterns"),
        pytest.param(("bert*",), ["bert", "bert-large", "bert\nx"], ["abert", "ber"], id="beginning"),
        pytest.param(("*-v2", "a*c*e"), ["-v2", "x-v2", "ace", "abcde"], ["v2", "x-v2x", "aec"], id="elsewhere"),
    ],
)
def test_models(models: tuple[str, ...] | None, yes: list[str], no: list[str]) -> None:
    """Those of the list and no others, whether they are loaded or not."""
    principal = Principal(name="p", rights=frozenset(Right), models=models)
    assert [name for name in (*yes, *no) if principal.may_use(name)] == yes
