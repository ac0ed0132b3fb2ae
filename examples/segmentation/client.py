"""Asks the server what is where in a picture, and writes the picture with the answer laid over it in colours.

Needs numpy, pillow and serving.client; no TensorFlow.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from shapes import CLASSES, HELD_OUT, Mask, Pixels, draw, draw_many, mean_iou

from serving.client import Client, ServingError

COLOURS = {"circle": (255, 0, 0), "square": (0, 255, 0), "triangle": (0, 0, 255)}
COLOUR_NAMES = {"circle": "red", "square": "green", "triangle": "blue"}
PICTURE = Path(__file__).with_name("picture.png")


def main() -> None:
    """Show one picture, or with ``--evaluate`` measure many of those that training held out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="localhost:8500", help="host:port of gRPC")
    parser.add_argument("--model", default="shapes", help="the model's name")
    parser.add_argument("--image", type=Path, default=PICTURE, help="a picture of any size that pillow reads")
    parser.add_argument("--synthetic", type=int, metavar="SEED", help="draw a picture instead of reading one")
    parser.add_argument("--overlay", type=Path, help="gets the picture with the mask over it, as PNG")
    parser.add_argument("--evaluate", type=int, metavar="N", help="print the mean IoU over N pictures held out")
    arguments = parser.parse_args()
    if arguments.evaluate is not None and arguments.evaluate < 1:
        parser.error(f"--evaluate is 1 or more, not {arguments.evaluate}")
    if arguments.synthetic is not None and arguments.synthetic < 0:
        parser.error(f"--synthetic is 0 or more, not {arguments.synthetic}")
    try:
        with Client(arguments.server) as client:
            if arguments.evaluate is not None:
                evaluate(client, arguments.model, arguments.evaluate)
            else:
                show(client, arguments)
    except (ServingError, OSError, ValueError) as error:  # ValueError: the address is none
        raise SystemExit(f"error: {error}") from None


def show(client: Client, arguments: argparse.Namespace) -> None:
    """Segment one picture, print what is in it, and write the overlay if there is a place for it."""
    if arguments.synthetic is not None:
        name, picture = f"picture {arguments.synthetic}", draw(arguments.synthetic, height=160, width=160)[0]
    else:
        name, picture = arguments.image.name, np.asarray(Image.open(arguments.image).convert("RGB"))
    mask = segment(client, arguments.model, picture[None])[0]
    report(name, mask)
    if arguments.overlay is not None:
        Image.fromarray(overlay(picture, mask)).save(arguments.overlay, format="PNG")
        print(f"wrote {arguments.overlay}")


def segment(client: Client, model: str, pictures: Pixels) -> Mask:
    """Masks of the pictures' own size: uint8 [batch, height, width, 3] -> int32 [batch, height, width]."""
    height, width = pictures.shape[1:3]
    inputs = {"image": pictures, "height": np.int32(height), "width": np.int32(width)}
    return client.predict(model, inputs)["mask"].astype(np.int32)


def overlay(picture: Pixels, mask: Mask) -> Pixels:
    """The picture, half covered by the colour of the class wherever there is one; the background stays as it is."""
    covered = picture.copy()
    for kind, colour in COLOURS.items():
        inside = mask == CLASSES.index(kind)
        covered[inside] = picture[inside] // 2 + np.array(colour, np.uint8) // 2
    return covered


def report(name: str, mask: Mask) -> None:
    """Print the classes that were found, each with its share of the pixels."""
    height, width = mask.shape
    print(f"{name}, {width} x {height}:")
    for kind, share in zip(CLASSES, np.bincount(mask.ravel(), minlength=len(CLASSES)) / mask.size, strict=True):
        if share > 0:
            print(f"  {kind:10} {share:6.1%}  {COLOUR_NAMES.get(kind, '')}".rstrip())


def evaluate(client: Client, model: str, count: int) -> None:
    """Print the mean IoU of the server's masks over ``count`` pictures that training never saw."""
    masks, truth = [], []
    for first in range(HELD_OUT, HELD_OUT + count, 25):
        pictures, drawn = draw_many(first, min(25, HELD_OUT + count - first))
        masks.append(segment(client, model, pictures))
        truth.append(drawn)
    print(f"mean IoU {mean_iou(np.concatenate(masks), np.concatenate(truth)):.4f} on {count} pictures held out")


if __name__ == "__main__":
    main()
