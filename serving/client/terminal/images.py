"""Images -> what an input takes: their bytes if it is a string, else pixels in its shape, with Pillow."""

import importlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.signatures import described
from serving.client.terminal.errors import ProblemError
from serving.client.terminal.json_values import dtype_of
from serving.client.values import TensorInfo

_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's modes by the number of channels."""


def is_image(data: bytes) -> bool:
    """Whether data begin as images do: JPEG, PNG, GIF, BMP, TIFF, WebP."""
    return data.startswith(_STARTS) or (data.startswith(b"RIFF") and data[8:12] == b"WEBP")


def one_string(data: bytes, info: TensorInfo) -> NDArray[Any]:
    """The bytes as the only string of an input: in as many dimensions as it has, one if that is not known."""
    array = np.empty((1,) * (1 if info.shape is None else len(info.shape)), object)
    array[...] = data
    return array


def pixels(data: bytes, name: str, info: TensorInfo, where: str, scale: tuple[float, float] | None) -> NDArray[Any]:
    """The image as the input takes it; resized if height and width are fixed. ``scale`` is the range of the pixels.

    [height,width,channels] or channels first, with a batch of one before if the input has four dimensions.
    """
    if info.dtype == "string":
        return one_string(data, info)
    shape = info.shape or ()
    channels_first = len(shape) >= 3 and shape[-1] not in _MODES and shape[-3] in _MODES
    if len(shape) not in (3, 4) or (shape[-1] not in (*_MODES, -1) and not channels_first):
        raise ProblemError(
            f"{where} is an image, and {name} is {described(info.dtype, info.shape)}: expected "
            "[batch,height,width,channels] with 1, 3 or 4 channels. Make an array of it, and give that as npy."
        )
    height, width, channels = (*shape[-2:], shape[-3]) if channels_first else shape[-3:]
    decoded = _decoded(data, where, _MODES.get(channels, "RGB"), height, width)
    values = _scaled(decoded, dtype_of(info.dtype), scale)
    if channels_first:
        values = np.moveaxis(values, -1, 0)
    return values[np.newaxis] if len(shape) == 4 else values


def _decoded(data: bytes, where: str, mode: str, height: int, width: int) -> NDArray[np.uint8]:
    """uint8 [height,width,channels]."""
    try:
        pillow: Any = importlib.import_module("PIL.Image")
    except ImportError:
        raise ProblemError(
            "Images are decoded by Pillow, which is not installed: "
            "pip install 'tensorflow-serving-appliance-client[images]'."
        ) from None
    try:
        image = pillow.open(io.BytesIO(data)).convert(mode)
    except (OSError, ValueError, pillow.DecompressionBombError) as error:
        raise ProblemError(f"{where} is no image that can be decoded: {error}.") from None
    size = (image.width if width < 0 else width, image.height if height < 0 else height)
    if size != image.size:
        image = image.resize(size, pillow.Resampling.BILINEAR)
    decoded: NDArray[np.uint8] = np.asarray(image, np.uint8)
    return decoded.reshape(*decoded.shape[:2], -1)


def _scaled(decoded: NDArray[np.uint8], dtype: np.dtype[Any], scale: tuple[float, float] | None) -> NDArray[Any]:
    if dtype.kind in "iu" and scale is None:
        return decoded.astype(dtype)
    low, high = scale or (0.0, 1.0)
    values = decoded.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)
    return np.rint(values).astype(dtype) if dtype.kind in "iu" else values.astype(dtype)
