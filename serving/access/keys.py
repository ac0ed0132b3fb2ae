"""Who has a credential: principals by the digests of their keys and by the names of their certificates. No keys."""

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from serving.inference.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One entry of the file: who it is, the SHA-256 digests of its keys, its certificates' names.

    ``expires_at`` is in seconds since 1970, None for never.
    """

    principal: Principal
    digests: tuple[bytes, ...] = field(default=(), repr=False)
    certificates: tuple[str, ...] = ()
    expires_at: float | None = None


class Keys:
    """The entries of a file, which have no name, digest or certificate twice; never changed, replaced whole."""

    def __init__(self, holders: Iterable[Holder] = ()) -> None:
        self.holders: Mapping[str, Holder] = {holder.principal.name: holder for holder in holders}
        self._by_digest = {digest: (digest, each) for each in self.holders.values() for digest in each.digests}
        self._by_certificate = {name: each for each in self.holders.values() for name in each.certificates}

    def of_key(self, key: str) -> Holder | None:
        """Whose key it is. How long this takes tells nothing of the keys that there are."""
        digest = digest_of(key)
        found = self._by_digest.get(digest)
        if found is None or not hmac.compare_digest(found[0], digest):
            return None
        return found[1]

    def of_certificate(self, names: Iterable[str]) -> list[Holder]:
        """Whose certificate it is that has these names: nobody's, or of several if it has names of theirs."""
        found: list[Holder] = []
        for name in names:
            holder = self._by_certificate.get(name)
            if holder is not None and holder not in found:
                found.append(holder)
        return found

    def changes_from(self, before: "Keys") -> Iterator[str]:
        """What is other than it was, by name: added, removed, changed."""
        old, new = before.holders, self.holders
        groups = {
            "added": [name for name in new if name not in old],
            "removed": [name for name in old if name not in new],
            "changed": [name for name in new if name in old and new[name] != old[name]],
        }
        for what, names in groups.items():
            if names:
                yield f"{what} {', '.join(names)}"


def digest_of(key: str) -> bytes:
    """What is kept of a key. A key is random and long, so that a slow hash would protect nothing."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
