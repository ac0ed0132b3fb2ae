"""A model's base path: whether there are versions in it, and if not, what somebody has probably mistaken for it."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from serving.core import version_files
from serving.core.store_url import StoreUrl
from serving.doctor.config_files import Named
from serving.doctor.finding import Finding, fails, ok, warning
from serving.doctor.foreign_files import foreign
from serving.doctor.reading import missing, obstacle
from serving.errors import first_few
from serving.settings import Settings
from serving.sources.scan import Scan, scan, version_number

_DIGITS = re.compile(r"[0-9]+")


def look(named: Named, settings: Settings) -> tuple[dict[int, Path], list[Finding]]:
    """The versions that the server would load, by their numbers, and rows about the base path.

    Of a base path in an object store the versions are those that are in the cache.
    """
    if isinstance(named.model.base_path, StoreUrl):
        from serving.doctor import stores  # only where a model is in one

        return stores.look(named.model, named.model.base_path, settings)
    base, what = named.directory, f"model {named.model.name}"
    stopped = obstacle(base)
    if stopped is not None:
        advice = f"chmod -R a+rX {base}, or run as the owner (docker run --user)."
        return {}, [fails(what, stopped, advice)]
    if not base.exists():
        return {}, [fails(what, missing(base, directories=True), _instead_of_missing(named, base))]
    if not base.is_dir():
        found = f"{base} is a file; expected a directory that has version directories, such as {base.parent}/1"
        return {}, [fails(what, found, _instead_of_file(named, base))]
    found_there = scan(base, named.model.policy)
    versions = dict(found_there.versions or {})
    if not versions:
        return {}, [_no_versions(named, what, found_there)]
    numbers = first_few([str(each) for each in sorted(versions, reverse=True)])
    rows = [ok(what, f"{base} has version(s) to load: {numbers}")]
    return versions, [*rows, *_besides(named, what, versions, found_there)]


def _besides(named: Named, what: str, versions: dict[int, Path], found: Scan) -> Iterator[Finding]:
    """What is odd though there are versions."""
    if found.absent:
        numbers = first_few([str(each) for each in found.absent])
        yield warning(what, f"the version policy names {numbers}, not there in {named.model.base_path}")
    for version, taken, ignored in found.duplicates:
        advice = f"Remove or rename {named.directory / ignored}."
        yield warning(what, f"{taken} and {ignored} are both version {version}; {ignored} is passed over", advice)
    for label, version in named.model.labels.items():
        if version not in versions:
            there = first_few([str(each) for each in sorted(versions, reverse=True)])
            found_label = f"the label {label} points to version {version}, which is not to be loaded; {there} would be"
            yield warning(what, found_label, "Requests with the label fail until that version is there.")


def _no_versions(named: Named, what: str, found: Scan) -> Finding:
    base = named.directory
    children = sorted(base.iterdir())
    names = [each.name for each in children]
    if any(name in names for name in version_files.MODELS):
        return _one_too_deep(named, what)
    if any(version_number(name) is not None for name in names):
        return fails(what, f"{base}: {found.notice}", "Change model_version_policy, or put that version there.")
    models = [each for each in children if _has_versions(each)]
    if models:
        listed = first_few([each.name for each in models])
        found_models = f"{base} has no versions but models, one directory further down: {listed}"
        advice = f"Give {named.base_path_is(models[0])}" + (
            " or list them in a --model_config_file" if models[1:] else ""
        )
        return fails(what, found_models, advice)
    other = foreign(base, names)
    if other is not None:
        return fails(what, f"{base} has no versions but {other.found}", other.advice(base / "1"))
    return fails(what, f"{base} has no version: {found.notice}", _rename(base, children))


def _one_too_deep(named: Named, what: str) -> Finding:
    base = named.directory
    if version_number(base.name) is not None:
        found = f"{base} is a version itself, for the model lies directly in it: one level too deep"
        return fails(what, found, f"Give {named.base_path_is(base.parent)}")
    found = f"the model lies directly in {base}, which has no version directory"
    return fails(what, found, f"mkdir {base}/1, and move what else is in {base} into it.")


def _has_versions(child: Path) -> bool:
    """Whether a directory looks like a model: something by a number in it that is a directory."""
    return any(version_number(each.name) is not None and each.is_dir() for each in _children(child))


def _children(directory: Path) -> list[Path]:
    """What is in it; nothing if that may not be seen, or if it is no directory."""
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _rename(base: Path, children: Sequence[Path]) -> str:
    for each in children:
        digits = _DIGITS.findall(each.name)
        if digits and each.is_dir():
            return f"A version's name is a whole number: mv {each} {base / str(int(digits[-1]))}"
        if each.is_dir() and any((each / name).exists() for name in version_files.MODELS):
            return f"A version's name is a whole number: mv {each} {base / '1'}"
    return f"Put the SavedModel into {base}/1, so that there is {base}/1/{version_files.SAVED_MODEL}"


def _instead_of_missing(named: Named, base: Path) -> str:
    parent = next(each for each in base.parents if each.exists())
    if parent == base.parent:
        names = [each.name for each in _children(parent) if _has_versions(each)]
        only = len(names) == 1 and parent != parent.parent  # /proc has directories named by numbers, too
        near = names if only else get_close_matches(base.name, names, n=1)
        if near:
            return f"Did you mean {near[0]}? Then give {named.base_path_is(parent / near[0])}"
    return (
        f"Mount or copy the model there, so that there is {base}/1/{version_files.SAVED_MODEL}, or name another path."
    )


def _instead_of_file(named: Named, base: Path) -> str:
    other = foreign(base.parent, [base.name])
    if other is not None:
        return other.advice(base.parent / "1")
    if version_number(base.parent.name) is not None:
        return f"Give {named.base_path_is(base.parent.parent)}"
    return f"Give {named.base_path_is('/path/to/' + named.model.name)}, the directory above its versions."
