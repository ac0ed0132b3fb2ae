"""A base path in an object store: whether it can be listed from here, what is there, and what of it is in the cache."""

from pathlib import Path

from serving.composition.model_loading import store_flags
from serving.configuration.model_config import ModelConfig
from serving.core.store_url import StoreUrl
from serving.core.version_policy import choose
from serving.doctor.finding import Finding, fails, megabytes, ok
from serving.errors import Code, first_few
from serving.settings import Settings
from serving.stores.cache import CachePlace
from serving.stores.follower import Follower, Following, InUse
from serving.stores.opening import missing, open_store
from serving.stores.values import Bundle, StoreError

_LONGEST_SECONDS = 10.0
_ADVICE = {
    Code.PERMISSION_DENIED: "Give the server credentials, or these the right to list and read: docs/object-stores.md.",
    Code.NOT_FOUND: "Look at the address: bucket, path and spelling; it must hold version directories such as 1/.",
}
_REACH = "See that this machine reaches the store; AWS_ENDPOINT_URL and the like name another one than the usual."
_NONE = InUse(lambda _: (), lambda _: ())


def look(model: ModelConfig, url: StoreUrl, settings: Settings) -> tuple[dict[int, Path], list[Finding]]:
    """The versions that are in the cache already, by number, and a row about the store. Asks the store."""
    what, lacking = f"model {model.name}", missing(url)
    if lacking:
        return {}, [fails(what, lacking)]
    flags = store_flags(settings)
    place = CachePlace(flags.directory, url)
    try:
        bundles, there = _listed(model, url, min(flags.answer_seconds, _LONGEST_SECONDS))
    except StoreError as error:
        cached = f"; {first_few(place.published())} in the cache would be served" if place.published() else ""
        return {}, [fails(what, f"{url}: {error.text}{cached}", _ADVICE.get(error.code, _REACH))]
    if not bundles:
        return {}, [fails(what, f"{url} has no version to load: found {there or 'nothing'}; expected one such as 1/")]
    cached_bundles = [each for each in bundles if place.path(each.folder).is_dir()]
    names = first_few([each.named for each in bundles])
    size = megabytes(sum(each.size for each in bundles))
    in_cache = first_few([each.named for each in cached_bundles]) or "nothing of it"
    row = ok(what, f"{url} has {names}, {size} in all; {in_cache} is in {flags.directory}")
    return {each.version: place.path(each.folder) for each in cached_bundles if each.version is not None}, [row]


def fetched(model: ModelConfig, url: StoreUrl, settings: Settings) -> tuple[dict[int, Path], list[Finding]]:
    """The versions that a start would serve, fetched into the cache as it would do; a row if that fails."""
    flags = store_flags(settings)
    following = Following(name=model.name, url=url, policy=model.policy, poll_seconds=0, settle_seconds=0)
    follower = Follower(
        following,
        CachePlace(flags.directory, url),
        lambda: open_store(url, flags.answer_seconds),
        _NONE,
        lambda: None,
    )
    follower.look()
    rows = [fails(f"model {model.name}", f"{url}: {follower.trouble}")] if follower.trouble else []
    return dict(follower.aspired or {}), rows


def _listed(model: ModelConfig, url: StoreUrl, seconds: float) -> tuple[list[Bundle], str]:
    """What the policy wants of a store, and what there is, for a sentence."""
    store = open_store(url, seconds)
    names = store.versions()
    if names is None:
        return [store.bundle(None, "")], "the archive"
    wanted = [store.bundle(version, names[version]) for version in choose(model.policy, names)]
    return wanted, first_few(store.there)
