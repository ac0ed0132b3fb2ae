"""What an address needs: a package that is not there is told at the start, with the image that has it."""

from pathlib import Path

import pytest

from serving.configuration import model_config
from serving.core.store_url import StoreUrl
from serving.errors import Code, ConfigurationError
from serving.loading import sources
from serving.stores import opening
from serving.stores.values import StoreError


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the plain image."""
    monkeypatch.setattr(opening, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("url", "package"),
    [("s3://b/m", "s3fs"), ("gs://b/m", "gcsfs"), ("az://c/m", "adlfs"), ("abfs://c@a/m", "adlfs")],
)
@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_package_is_told(url: str, package: str) -> None:
    """The start ends, and the text names the image and the extra."""
    with pytest.raises(ConfigurationError, match=f"needs the package {package}, which is not installed") as raised:
        sources.check(model_config.single("m", url))
    assert raised.value.code is Code.FAILED_PRECONDITION
    assert "tensorflow-serving-appliance:cpu-stores (make image EXTRAS=stores)" in raised.value.text
    assert "pip install 'tensorflow-serving-appliance[stores]'" in raised.value.text
    with pytest.raises(StoreError, match=package):
        opening.open_store(StoreUrl(url), 1)


@pytest.mark.usefixtures("nothing_installed")
def test_the_web_needs_none() -> None:
    """Nor does a directory."""
    sources.check(model_config.single("m", "https://h/m.tar.gz"))
    sources.check(model_config.single("m", "/models/m"))
    assert opening.open_store(StoreUrl("https://h/m.tar.gz"), 1).versions() is None


def test_nothing_is_imported_for_directories() -> None:
    """Who has no model in a store pays for none of it."""
    import subprocess
    import sys

    program = (
        "import sys; import serving.server; "
        "print([each for each in sys.modules if each.split('.')[0] in ('fsspec', 's3fs', 'gcsfs', 'adlfs')"
        " or each.startswith('serving.stores')])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
