"""The certificates of a door: whether they can be read, belong to their key, and are valid now and for a while."""

import re
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from google.protobuf import text_format

from serving import tls
from serving.doctor.der import validity
from serving.doctor.finding import Finding, fails, ok, warning
from serving.doctor.text_files import TextFile, line_of
from serving.errors import ConfigurationError
from serving.protos import POOL, SSLConfig
from serving.settings import Settings

SOON = timedelta(days=30)
_FLAGS = ("ssl_config_file", "rest_api_ssl_config_file")
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def look(settings: Settings, now: datetime) -> list[Finding]:
    """Rows for the files of both doors, as far as there are any; ``now`` has a time zone."""
    return [
        finding
        for flag in _FLAGS
        if getattr(settings, flag)
        for finding in _of_file(TextFile(flag=flag, path=Path(getattr(settings, flag)), message_class=SSLConfig), now)
    ]


def _of_file(file: TextFile, now: datetime) -> Iterator[Finding]:
    wrong = file.wrong()
    if wrong is not None:
        yield wrong
        return
    text = file.path.read_text("utf-8", "replace")
    config = text_format.Parse(text, SSLConfig(), descriptor_pool=POOL)
    try:
        credentials = tls.read(file.flag, str(file.path))
    except ConfigurationError as error:
        found = error.message.removeprefix(f"{file.what}: ")
        line, _ = line_of(
            text, [rf"\b{name}\b" for name in ("server_key", "server_cert", "custom_ca") if name in found]
        )
        yield fails(file.what, f"line {line}: {found}", _advice(found))
    else:
        clients = "must show a certificate" if credentials and credentials.verify_clients else "need none"
        yield ok(file.what, f"the key belongs to the certificate; clients {clients}")
    yield from _dates(file, "server_cert", config.server_cert, now)
    if config.client_verify:
        yield from _dates(file, "custom_ca", config.custom_ca, now)
    elif config.custom_ca:
        found = "has a custom_ca without client_verify: true, so clients are asked for nothing"
        yield warning(file.what, found, "Add client_verify: true, or take custom_ca out.")


def _advice(found: str) -> str:
    if "mismatch" in found:
        return "server_key must be the private key that server_cert was made for; openssl x509 -noout -pubkey shows it."
    if "path" in found:
        return "Paste the contents of the file, with \\n for the ends of its lines."
    return ""


def _dates(file: TextFile, name: str, pem: str, now: datetime) -> Iterator[Finding]:
    """A row for each certificate in a text; the first one of ``server_cert`` is the server's own."""
    for number, found in enumerate(_CERTIFICATE.findall(pem), 1):
        what = f"{name} of --{file.flag}" + (f", the {number}. in it" if number > 1 else "")
        try:
            since, until = validity(ssl.PEM_cert_to_DER_cert(found))
        except ValueError as error:
            yield fails(what, f"cannot be read: {error}", "Export it again, as PEM.")
            continue
        days = (until - now).days
        if until <= now:
            yield fails(what, f"expired on {until:%Y-%m-%d %H:%M} UTC, {-days - 1} days ago", "Renew it.")
        elif since > now:
            yield fails(what, f"is not valid before {since:%Y-%m-%d %H:%M} UTC", "See whether the clock is right.")
        elif until - now <= SOON:
            yield warning(what, f"expires on {until:%Y-%m-%d %H:%M} UTC, in {days} days", "Renew it.")
        else:
            yield ok(what, f"is valid until {until:%Y-%m-%d}, for {days} days")
