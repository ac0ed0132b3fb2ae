"""--shadow: its entries, and what is no entry."""

import pytest

from serving.configuration.shadow_flag import shadows, wrong
from serving.core.shadow import ShadowSpec
from serving.errors import ConfigurationError


def test_entries() -> None:
    """A model, a version and a share each; the name may have colons."""
    assert shadows("m:124:0.1, a:b:7:1,") == (
        ShadowSpec(model="m", version=124, share=0.1),
        ShadowSpec(model="a:b", version=7, share=1.0),
    )
    assert shadows("") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("m:124", "--shadow has the entry 'm:124'; expected MODEL:VERSION:SHARE, such as resnet", id="two"),
        pytest.param(":1:0.5", "--shadow has the entry ':1:0.5'; expected MODEL:VERSION:SHARE", id="no model"),
        pytest.param("m:new:0.5", "--shadow has the version 'new' in 'm:new:0.5'; expected a number", id="a label"),
        pytest.param(f"m:{2**63}:1", f"--shadow has the version '{2**63}'", id="too large a version"),
        pytest.param(f"m:{'1' * 5000}:1", "--shadow has the version '111", id="very many digits"),
        pytest.param("m:1:half", "--shadow has the share 'half' in 'm:1:half'; expected a number above 0", id="word"),
        pytest.param(
            "m:1:0", "--shadow has the share '0' in 'm:1:0'; expected a number above 0 and up to 1", id="zero"
        ),
        pytest.param("m:1:10", "--shadow has the share '10' in 'm:1:10'", id="per cent"),
        pytest.param("m:1:nan", "--shadow has the share 'nan' in 'm:1:nan'", id="nan"),
        pytest.param("m:1:1,m:2:1", "--shadow names the model 'm' twice; expected one version for each", id="twice"),
    ],
)
def test_what_is_wrong(text: str, said: str) -> None:
    """It is said what was given and what was expected."""
    with pytest.raises(ConfigurationError) as raised:
        shadows(text)
    assert raised.value.message.startswith(said)
    assert [error.message for error in wrong(text)] == [raised.value.message]
