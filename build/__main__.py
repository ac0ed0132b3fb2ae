"""``python -m build``."""

from build.cli import console

if __name__ == "__main__":
    console()
