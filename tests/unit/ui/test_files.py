"""The files of the page: which there are, with what HTTP says of them, and that a wheel has them."""

import gzip
import subprocess
import sys
import zipfile
from pathlib import Path

from serving.ui.files import page_files
from tests.support.pages import ROOT


def test_files_by_path(tmp_path: Path) -> None:
    """Those of a page, in folders too, with their types; others that lie there are not served."""
    (tmp_path / "parts").mkdir()
    for name in ("index.html", "parts/a.js", "b.css", "c.svg", "d.py", "README", "e.js.map"):
        (tmp_path / name).write_text(name)
    found = page_files(tmp_path)
    assert {name: file.content_type.decode() for name, file in found.items()} == {
        "index.html": "text/html; charset=utf-8",
        "parts/a.js": "text/javascript; charset=utf-8",
        "b.css": "text/css; charset=utf-8",
        "c.svg": "image/svg+xml",
    }
    assert found["parts/a.js"].content == gzip.decompress(found["parts/a.js"].compressed) == b"parts/a.js"


def test_tags(tmp_path: Path) -> None:
    """They are those of the bytes: another file has another, the same has the same after a restart."""
    (tmp_path / "a.js").write_text("1")
    before = page_files(tmp_path)["a.js"]
    assert page_files(tmp_path)["a.js"] == before
    (tmp_path / "a.js").write_text("2")
    assert page_files(tmp_path)["a.js"].tag != before.tag


def test_the_wheel_has_the_page(tmp_path: Path) -> None:
    """Every file of it, or an installed server would have none."""
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path))
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "index.html" in page_files()
    assert {f"serving/ui/page/{name}" for name in page_files()} <= names
