"""Which base paths are addresses, and what each says of itself."""

import pytest

from serving.core.store_url import StoreUrl, parse


@pytest.mark.parametrize(
    ("text", "shown", "archive", "above"),
    [
        pytest.param("s3://b/models/half", "s3://b/models/half", False, "s3://b/models/", id="s3"),
        pytest.param("s3://b/models/half/", "s3://b/models/half", False, "s3://b/models/", id="a slash at the end"),
        pytest.param("gs://b", "gs://b", False, "gs://b/", id="a bucket"),
        pytest.param("az://c/m", "az://c/m", False, "az://c/", id="azure"),
        pytest.param("abfs://c@a.dfs.core.windows.net/m", "abfs://c@a.dfs.core.windows.net/m", False,
                     "abfs://c@a.dfs.core.windows.net/", id="an account"),
        pytest.param("s3://b/m.tar.gz", "s3://b/m.tar.gz", True, "s3://b/", id="an archive in a store"),
        pytest.param("https://h/x/m.tgz?sig=s3cret", "https://h/x/m.tgz", True, "https://h/x/", id="a signature"),
    ],
)  # fmt: skip
def test_addresses(text: str, shown: str, archive: bool, above: str) -> None:
    """As text an address has no query; what may be named beside it is below what is above it."""
    url = parse(text)
    assert url is not None
    assert (str(url), url.archive, url.above) == (shown, archive, above)


@pytest.mark.parametrize("text", ["hdfs://h/m", "ram://m", "/models/m", "S3://b/m"])
def test_other_schemes_are_none_of_ours(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        pytest.param("s3://", "no bucket", id="no bucket"),
        pytest.param("https:///m.zip", "no host", id="no host"),
        pytest.param("https://h/models", "no archive", id="a page"),
        pytest.param("https://me:secret@h/m.zip", "a user or a password", id="a password"),
        pytest.param("s3://b/../c", "that no object has", id="up"),
        pytest.param("s3://b/m\n", "that no object has", id="a line break"),
    ],
)
def test_what_is_wrong_with_an_address(text: str, wrong: str) -> None:
    """The sentence says it, and does not repeat a password."""
    with pytest.raises(ValueError, match=wrong) as raised:
        parse(text)
    assert "secret" not in str(raised.value)


def test_equal_addresses_are_one() -> None:
    assert parse("s3://b/m/") == StoreUrl("s3://b/m")
