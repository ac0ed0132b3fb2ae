"""Models of other kinds than the server loads, told by the names of their files, and how each becomes a SavedModel."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serving.core.version_files import KERAS_MODEL

_KERAS = (".keras", ".h5", ".hdf5")
_WEIGHTS = ".weights.h5"
_OTHERS = {
    ".onnx": "an ONNX model",
    ".pt": "a PyTorch model",
    ".pth": "a PyTorch model",
    ".safetensors": "weights without a graph",
    ".pkl": "a Python pickle",
    ".joblib": "a Python pickle",
}
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What was ``found``, and how to export it: ``{to}`` in ``how`` stands for the version directory."""

    found: str
    how: str

    def advice(self, version: Path) -> str:
        """What to do, so that ``version`` holds a SavedModel."""
        return self.how.format(to=version)


def foreign(directory: Path, names: Iterable[str]) -> Foreign | None:
    """What the names in a directory say that it holds; None for nothing that is known."""
    names = sorted(names)
    for name in names:
        file, lower = directory / name, name.lower()
        if lower.endswith(_KERAS) and not lower.endswith(_WEIGHTS):
            load = f'keras.models.load_model("{file}")'
            export = f'in Python: {load}.export("{{to}}"); export() writes a SavedModel.'
            move = f"mv {file} {{to}}/{KERAS_MODEL}, which is converted where Keras is installed; or "
            how = move + export if lower.endswith(".keras") else f"I{export[1:]}"
            return Foreign(found=f"the Keras file {name}", how=how)
        if lower.endswith(".tflite"):
            return Foreign(
                found=f"the TensorFlow Lite file {name}",
                how=f"mkdir {{to}}; mv {file} {{to}}/model.tflite, and give --prefer_tflite_model=true.",
            )
        if lower.endswith(_ARCHIVES):
            return Foreign(found=f"the archive {name}", how="Unpack it: {to} must have saved_model.pb itself.")
        suffix = Path(lower).suffix
        if suffix in _OTHERS:
            return Foreign(
                found=f"{name}, {_OTHERS[suffix]}", how="Convert it to a SavedModel in {to}; nothing else is served."
            )
    return _checkpoint(names)


def _checkpoint(names: list[str]) -> Foreign | None:
    index = next((name for name in names if name.endswith((".index", ".ckpt", ".ckpt.meta", ".weights.h5"))), None)
    if index is None and "checkpoint" not in names:
        return None
    return Foreign(
        found=f"a checkpoint ({index or 'checkpoint'}), which has weights and no graph",
        how="Build the model in Python, restore the checkpoint into it, and write it by "
        'tf.saved_model.save(model, "{to}"), or model.export("{to}") with Keras.',
    )
