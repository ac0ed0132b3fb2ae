"""What MkDocs needs beside mkdocs.yml to make a site of these pages (`make docs-site`).

The tutorials, the changelog and SECURITY.md lie outside of docs/ and become pages of the site as well. A link to any
other file of the repository becomes its path, for the site has no such file. The pages themselves keep their links,
which lead to the files where a repository is shown.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

PAGES_OUTSIDE = ("CHANGELOG.md", "SECURITY.md", "examples/**/README.md")
"""Patterns of pages outside of docs/ that the site has, at the same paths."""

INDEX = {"README.md": "README.md"}
"""Pages of the repository in place of which the site has another one."""

POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "worker-src 'self' blob:"
)
"""What a browser may fetch for a page. The theme's script would ask another host, for what these pages do not have."""

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)
_OTHER_HOST = re.compile(
    r"""<(?:script|img|iframe)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b[^>]*\bhref=["']?(?:https?:)?//[^>]*>"""
)
_NOT_ASKED = re.compile(r"""\brel=["']?(?:canonical|alternate|next|prev)\b""")


def places(root: Path) -> Mapping[str, str]:
    """Where the site has the pages of the repository that lie outside of docs/, by path in the repository."""
    outside = (path for pattern in PAGES_OUTSIDE for path in sorted(root.glob(pattern)))
    return {path.relative_to(root).as_posix(): path.relative_to(root).as_posix() for path in outside} | INDEX


def for_the_site(text: str, source: str, at: str, pages: Mapping[str, str]) -> str:
    """A page with links that lead somewhere on the site; code stays as it is.

    ``source`` is the page's path in the repository, ``at`` the one on the site, ``pages`` what :func:`places` gives.
    """

    def link(found: re.Match[str]) -> str:
        image, words, target = found.groups()
        path, hash_sign, fragment = target.partition("#")
        if not path or "://" in target or target.startswith("mailto:"):
            return found[0]
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if f"{there}/README.md" in pages:
            there = f"{there}/README.md"
        if there.startswith("docs/"):
            on_site = there.removeprefix("docs/")
        elif there in pages:
            on_site = pages[there]
        else:
            return f"{words} (`{there}`)" if there not in words else words
        to = posixpath.relpath(on_site, posixpath.dirname(at) or ".")
        return f"{image}[{words}]({to}{hash_sign}{fragment})"

    parts = _FENCE.split(text)
    return "".join(part if _FENCE.fullmatch(part) else _LINK.sub(link, part) for part in parts)


def asks_other_hosts(page: str) -> Iterable[str]:
    """The tags of a page of HTML by which a browser would fetch something from another host."""
    return [found[0] for found in _OTHER_HOST.finditer(page) if not _NOT_ASKED.search(found[0])]


def filled(nav: Any, pages: Iterable[str]) -> Any:
    """The navigation, with all pages of a folder in place of ``folder/*``, from above to below.

    ``pages`` are paths on the site. ValueError if a folder has none.
    """
    if isinstance(nav, dict):
        return {title: filled(entry, pages) for title, entry in nav.items()}
    if not isinstance(nav, list):
        return nav
    entries: list[Any] = []
    for entry in nav:
        if isinstance(entry, str) and entry.endswith("/*"):
            folder = entry.removesuffix("*")
            found = sorted((page for page in pages if page.startswith(folder)), key=_from_above)
            if not found:
                raise ValueError(f"mkdocs.yml: nav has {entry}, and there is no page in {folder}")
            entries += found
        else:
            entries.append(filled(entry, pages))
    return entries


def _from_above(page: str) -> tuple[str, bool, str]:
    return posixpath.dirname(page), not page.endswith("/README.md"), page


def on_config(config: Any) -> Any:
    """Fill the navigation (MkDocs calls this)."""
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} | set(places(ROOT).values())
    config.nav = filled(config.nav, pages)
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie outside of docs/ (MkDocs calls this)."""
    from mkdocs.structure.files import File

    for source, at in places(ROOT).items():
        if source not in INDEX:
            files.append(File.generated(config, at, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Mend the links of a page (MkDocs calls this)."""
    at = page.file.src_uri
    pages = places(ROOT)
    source = at if at in pages and at not in INDEX else f"docs/{at}"
    return for_the_site(markdown, source, at, pages)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page that would ask another host, and let none be asked by a script (MkDocs calls this)."""
    from mkdocs.exceptions import PluginError

    found = list(asks_other_hosts(output))
    if found:
        raise PluginError(f"{page.file.src_uri} would ask another host: {found[0]}")
    charset = '<meta charset="utf-8">'
    if charset not in output:
        raise PluginError(f"{page.file.src_uri} has no {charset} to put the policy behind")
    return output.replace(charset, f'{charset}<meta http-equiv="Content-Security-Policy" content="{POLICY}">', 1)
