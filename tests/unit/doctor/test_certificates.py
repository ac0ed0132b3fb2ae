"""Certificates and keys that would not do, or not for long, made anew; time is an argument."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serving.doctor.certificates import look
from serving.doctor.der import validity
from serving.doctor.finding import Finding, Level
from serving.settings import Settings
from tests.server.doors.certificates import Authority, encrypted_key, write_config
from tests.unit.doctor.rows import level, only

OURS = Authority("ours")
ONE, OTHER = OURS.identity(), OURS.identity()
NOW, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)
"""Those of ``tests.server.doors.certificates`` are valid from 2020 to 2120."""


def rows(path: Path, now: datetime = NOW, flag: str = "ssl_config_file") -> list[Finding]:
    return look(Settings(**{flag: str(path)}), now)  # type: ignore[arg-type]


@pytest.mark.parametrize("flag", ["ssl_config_file", "rest_api_ssl_config_file"])
def test_good(tmp_path: Path, flag: str) -> None:
    """The key belongs to the certificate, and how long that is valid is said."""
    path = write_config(tmp_path / "c", key=ONE.key, certificate=ONE.certificate)
    found = rows(path, flag=flag)
    assert {each.level for each in found} == {Level.OK}
    assert f"server_cert of --{flag}" in [each.what for each in found]
    assert "is valid until 2120-01-01" in found[-1].found


@pytest.mark.parametrize(
    ("now", "expected", "words"),
    [
        pytest.param(END + timedelta(hours=1), Level.FAILS, "expired on 2120-01-01 00:00 UTC, 0 days ago", id="over"),
        pytest.param(END + timedelta(days=9, hours=1), Level.FAILS, "9 days ago", id="long over"),
        pytest.param(END - timedelta(days=29), Level.WARNING, "in 29 days", id="soon over"),
        pytest.param(END - timedelta(days=31), Level.OK, "for 31 days", id="not yet"),
        pytest.param(datetime(2019, 1, 1, tzinfo=UTC), Level.FAILS, "not valid before 2020-01-01", id="to come"),
    ],
)
def test_dates(tmp_path: Path, now: datetime, expected: Level, words: str) -> None:
    """Against the time that is given."""
    path = write_config(tmp_path / "c", key=ONE.key, certificate=ONE.certificate)
    row = next(each for each in rows(path, now) if each.what.startswith("server_cert"))
    assert row.level is expected
    assert words in row.found


def test_authority_of_clients(tmp_path: Path) -> None:
    """Its certificates have dates, too."""
    path = write_config(
        tmp_path / "c", key=ONE.key, certificate=ONE.certificate, authority=OURS.certificate * 2, verify=True
    )
    over = level(rows(path, END), Level.FAILS)
    assert [each.what for each in over][1:] == [
        "custom_ca of --ssl_config_file",
        "custom_ca of --ssl_config_file, the 2. in it",
    ]


def test_authority_that_nobody_asks_for(tmp_path: Path) -> None:
    """Whoever wrote it wants clients to be asked."""
    path = write_config(tmp_path / "c", key=ONE.key, certificate=ONE.certificate, authority=OURS.certificate)
    assert "client_verify: true" in only(rows(path), Level.WARNING).advice


BROKEN: list[object] = [
    pytest.param(
        lambda path: write_config(path, key=OTHER.key, certificate=ONE.certificate),
        "key values mismatch",
        "the private key that server_cert was made for",
        id="another key",
    ),
    pytest.param(
        lambda path: write_config(path, key=b"/etc/key.pem", certificate=ONE.certificate),
        "server_key is not PEM; expected the PEM text itself, not a path",
        "Paste the contents",
        id="a path",
    ),
    pytest.param(
        lambda path: write_config(path, key=encrypted_key(), certificate=ONE.certificate), "passphrase", "", id="secret"
    ),
    pytest.param(lambda path: write_config(path, certificate=ONE.certificate), "server_key is empty", "", id="no key"),
]


@pytest.mark.parametrize(("make", "found", "advice"), BROKEN)
def test_broken(tmp_path: Path, make: Callable[[Path], Path], found: str, advice: str) -> None:
    """What is wrong, at which line, and what to do."""
    row = only(rows(make(tmp_path / "c")))
    assert row.what == f"--ssl_config_file={tmp_path}/c"
    assert found in row.found
    assert row.found.startswith("line ")
    assert advice in row.advice


def test_certificate_that_is_cut_off(tmp_path: Path) -> None:
    """It cannot be used, and its dates cannot be read."""
    cut = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    found = level(rows(write_config(tmp_path / "c", key=ONE.key, certificate=cut)), Level.FAILS)
    assert "cannot be read" in found[-1].found


def test_typo_in_the_file(tmp_path: Path) -> None:
    """As for every text proto."""
    (tmp_path / "c").write_text('server_kee: "x"')
    assert "Did you mean server_key?" in only(rows(tmp_path / "c")).advice


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x82\xff\xff", b"\x30\x03\x02\x01\x01", b"\x04\x02ab", b"0\x840000"]
)
def test_no_certificate(data: bytes) -> None:
    """Whatever it is, it is a ValueError."""
    with pytest.raises(ValueError):
        validity(data)
