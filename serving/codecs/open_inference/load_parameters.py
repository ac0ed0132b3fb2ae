"""The ``parameters`` of a load request, whichever way they came (docs/dialects.md, "Model repository")."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from serving.core.version_policy import All, Latest, Specific, VersionPolicy
from serving.errors import Code, ServingError, invalid_argument

BASE_PATH = "base_path"
CONFIG = "config"
_FILE = "file:"
_POLICIES = ("latest", "all", "specific")
_LARGEST_VERSION = 2**63 - 1
_MOST_VERSIONS = 2**32 - 1
_LONGEST_SHOWN = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadParameters:
    """What can be told about one model; ``ignored`` are the parameters, and fields of ``config``, that do nothing."""

    base_path: str = ""
    policy: VersionPolicy | None = None
    ignored: tuple[str, ...] = ()


def load_parameters(given: Mapping[str, Any]) -> LoadParameters:
    """Read them. INVALID_ARGUMENT for what cannot be read, UNIMPLEMENTED for files in place of the model's own."""
    if any(name.startswith(_FILE) for name in given):
        raise ServingError(
            Code.UNIMPLEMENTED,
            "The parameters have files of a model (file:…); expected none: models are loaded from directories of this "
            "machine, and the parameter base_path names one",
        )
    config = _config(given[CONFIG]) if CONFIG in given else {}
    policy = config.get("version_policy", config.get("versionPolicy"))
    fields = [name for name in config if name not in ("version_policy", "versionPolicy")]
    return LoadParameters(
        base_path=_text(given, BASE_PATH),
        policy=None if policy is None else _policy(policy),
        ignored=(*(name for name in given if name not in (BASE_PATH, CONFIG)), *fields),
    )


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise invalid_argument(f"The parameter {name} is {_shown(value)}; expected a string")
    return value


def _config(text: object) -> Mapping[str, Any]:
    """A model configuration of Triton's, as JSON in a string or as it is."""
    if isinstance(text, str):
        try:
            text = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise invalid_argument(f"The parameter config is no JSON: {error}") from None
    if not isinstance(text, dict):
        raise invalid_argument(f"The parameter config is {_shown(text)}; expected a JSON object")
    return text


def _policy(given: object) -> VersionPolicy:
    """Latest, all or specific, as JSON of a message of protobuf has them: 64-bit numbers may be strings."""
    if not isinstance(given, dict) or len(given) != 1 or not isinstance(next(iter(given.values())), dict):
        raise _no_policy(given)
    ((kind, value),) = given.items()
    match kind:
        case "all":
            return All()
        case "latest":
            count = value.get("num_versions", value.get("numVersions", 1))
            return Latest(num_versions=_number(count, _MOST_VERSIONS, given))
        case "specific" if isinstance(value.get("versions"), list):
            return Specific(versions=frozenset(_number(each, _LARGEST_VERSION, given) for each in value["versions"]))
        case _:
            raise _no_policy(given)


def _number(value: object, largest: int, policy: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(largest)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise _no_policy(policy)
    return value


def _no_policy(given: object) -> ServingError:
    return invalid_argument(
        f"version_policy is {_shown(given)}; expected one of {', '.join(_POLICIES)}, such as "
        '{"latest": {"num_versions": 2}}, {"all": {}} or {"specific": {"versions": [1, 3]}}'
    )


def _shown(value: object) -> str:
    return str(value)[:_LONGEST_SHOWN]
