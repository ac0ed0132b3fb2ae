"""``python -m serving`` is the command ``tensorflow_model_server``."""

from serving.cli import console

if __name__ == "__main__":
    console()
