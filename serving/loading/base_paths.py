"""Which base paths a reload or a load by request may name: anybody who reaches a port can ask. It reads no file."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from serving.configuration.model_config import Configured
from serving.core.store_url import StoreUrl
from serving.errors import Code, ConfigurationError, first_few

_ROOT = Path("/")
_LONGEST_SHOWN = 256


class BasePaths:
    """Allows what is below the parents of the base paths that the operator has given, by flags or in a file.

    A parent that is the root of all would allow everything; of such a base path itself is allowed, and what is below
    it. Links are followed before paths are compared; addresses in stores are compared as text, up to their last part.
    What is below ``directories`` is allowed besides.
    """

    def __init__(self, directories: Sequence[Path] = ()) -> None:
        self._directories = directories
        self._given: Configured = None

    def give(self, configured: Configured) -> None:
        """The operator's list, in place of the one before. A file that has none any more changes nothing."""
        self._given = self._given if configured is None else configured

    def check(self, asked: Configured, present: Configured, what: str = "reload") -> None:
        """PERMISSION_DENIED for the first base path that may not be named; those of ``present`` models may.

        ``what`` has been asked for, in one word.
        """
        known = {model.base_path for model in present or ()}
        roots = tuple(dict.fromkeys(self._roots()))
        above = tuple(dict.fromkeys(self._above()))
        for model in asked or ():
            path = model.base_path
            allowed = str(path).startswith(above) if isinstance(path, StoreUrl) else _is_allowed(path, roots)
            if path not in known and not allowed:
                raise _refusal(what, model.name, path, roots, above)

    @property
    def given(self) -> Configured:
        """The operator's list."""
        return self._given

    def _roots(self) -> Iterator[tuple[Path, bool]]:
        """Directories, and whether each may be named itself."""
        for directory in self._directories:
            yield _real(directory), False
        for model in self._given or ():
            if isinstance(model.base_path, StoreUrl):
                continue
            parent, real = _parent(model.base_path), _real(model.base_path)
            if parent != _ROOT:
                yield parent, False
            if real != _ROOT and (parent == _ROOT or parent not in real.parents):
                yield real, True

    def _above(self) -> Iterator[str]:
        """What addresses in stores may begin with."""
        for model in self._given or ():
            if isinstance(model.base_path, StoreUrl):
                yield model.base_path.above


def _parent(path: Path) -> Path:
    return _real(path.parent) if path.name != ".." else _real(path).parent


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_allowed(path: Path, roots: Iterable[tuple[Path, bool]]) -> bool:
    real = _real(path)
    return any(root in real.parents or (itself and real == root) for root, itself in roots)


def _refusal(
    what: str, name: str, path: Path | StoreUrl, roots: Iterable[tuple[Path, bool]], above: Iterable[str]
) -> ConfigurationError:
    allowed = [_told(root) if itself else f"below {root}" for root, itself in roots]
    allowed += [f"below {each}" for each in above]
    where = first_few(allowed) if allowed else "nowhere, for no base path was given at the start"
    return ConfigurationError(
        Code.PERMISSION_DENIED,
        f"A {what} may not give model {name[:_LONGEST_SHOWN]} the base path {str(path)[:_LONGEST_SHOWN]}; allowed, "
        f"links followed: {where}. To allow any, start the server with --allow_any_base_path, or {what} with an API "
        "key that has the right admin (--api_keys_file)",
    )


def _told(root: Path) -> str:
    return f"{root} and below" + (", for below its parent / is everything" if root.parent == _ROOT else "")
