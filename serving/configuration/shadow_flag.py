"""--shadow as values: a model, a version and a share of its requests for each entry."""

from collections.abc import Iterator

from serving.core.shadow import ShadowSpec
from serving.errors import ConfigurationError, invalid_configuration

_LARGEST_VERSION, _MOST_DIGITS = 2**63 - 1, 32
_HOW = "MODEL:VERSION:SHARE, such as resnet:124:0.1, a tenth of its requests"


def shadows(text: str) -> tuple[ShadowSpec, ...]:
    """The entries of a comma-separated list. Raises ConfigurationError for the first that is none."""
    specs = tuple(_spec(entry.strip()) for entry in text.split(",") if entry.strip())
    models = [spec.model for spec in specs]
    for model in models:
        if models.count(model) > 1:
            raise invalid_configuration(f"--shadow names the model {model!r} twice; expected one version for each")
    return specs


def wrong(text: str) -> Iterator[ConfigurationError]:
    """What ``shadows`` would raise, if it would."""
    try:
        shadows(text)
    except ConfigurationError as error:
        yield error


def _spec(entry: str) -> ShadowSpec:
    model, version, share = (["", "", "", *entry.rsplit(":", 2)])[-3:]
    if not (model and version and share):
        raise invalid_configuration(f"--shadow has the entry {entry!r}; expected {_HOW}")
    digits = version if version.isascii() and version.isdecimal() and len(version) <= _MOST_DIGITS else ""
    if not digits or int(digits) > _LARGEST_VERSION:
        raise invalid_configuration(
            f"--shadow has the version {version!r} in {entry!r}; expected a number, as in {_HOW}"
        )
    try:
        number = float(share)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise invalid_configuration(
            f"--shadow has the share {share!r} in {entry!r}; expected a number above 0 and up to 1, as in {_HOW}"
        )
    return ShadowSpec(model=model, version=int(digits), share=number)
