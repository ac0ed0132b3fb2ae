"""The segmentation tutorial: the masks are TensorFlow's own, and good, and the overlay shows them."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serving.client import Client
from tests.walks.walk import Walk

pytestmark = pytest.mark.timeout(300)

CLASSES = ("background", "circle", "square", "triangle")
COLOURS = {"circle": (127, 0, 0), "square": (0, 127, 0), "triangle": (0, 0, 127)}
"""Half of each colour, which is what the client adds to half of the picture."""

SIZES = [(160, 160), (64, 64), (90, 250), (1, 1)]
"""Heights and widths of masks: the picture's own, the model's own, a wide one, the smallest."""

IOU = re.compile(r"mean IoU (\d\.\d{4}) on 50 pictures held out")

ASK_TENSORFLOW = """
import sys
import numpy as np
import tensorflow as tf
model, pictures, answer, *sizes = sys.argv[1:]
signature = tf.saved_model.load(model).signatures["serving_default"]
given, masks = np.load(pictures), {}
for size in sizes:
    name, height, width = size.split(",")
    size = {"height": tf.constant(int(height)), "width": tf.constant(int(width))}
    masks[f"{name},{height},{width}"] = signature(image=tf.constant(given[name]), **size)["mask"].numpy()
np.savez(answer, **masks)
"""

DRAW = """
import sys
import numpy as np
from shapes import HELD_OUT, draw_many
pictures, masks = draw_many(HELD_OUT, 50)
np.savez(sys.argv[1], pictures=pictures, masks=masks)
"""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page, walked through; its server is still up."""
    with Walk("segmentation", tmp_path_factory.mktemp("segmentation")) as walk:
        walk.run()
        yield walk


@pytest.fixture(scope="module")
def client(walk: Walk) -> Iterator[Client]:
    with Client(f"localhost:{walk.server.grpc_port}") as client:
        yield client


@pytest.fixture(scope="module")
def held_out(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """The 50 pictures that training held out, and their true masks, as the example draws them."""
    drawn = tmp_path_factory.mktemp("held_out") / "drawn.npz"
    command = [sys.executable, "-c", DRAW, str(drawn)]
    subprocess.run(command, cwd=walk.directory / "examples" / "segmentation", check=True)
    loaded = np.load(drawn)
    return loaded["pictures"], loaded["masks"]


@pytest.fixture(scope="module")
def picture(walk: Walk) -> NDArray[np.uint8]:
    """The picture that ships with the example."""
    return np.asarray(Image.open(walk.directory / "examples" / "segmentation" / "picture.png"))


@pytest.fixture(scope="module")
def tensorflows_own(
    walk: Walk,
    held_out: tuple[NDArray[np.uint8], NDArray[np.int32]],
    picture: NDArray[np.uint8],
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, NDArray[np.int32]]:
    """Masks by ``pictures,height,width`` that TensorFlow gives in a process of its own, without the server."""
    directory = tmp_path_factory.mktemp("tensorflow")
    request, answer = directory / "pictures.npz", directory / "masks.npz"
    np.savez(request, held_out=held_out[0], picture=picture[None])
    sizes = ["held_out,64,64", *(f"picture,{height},{width}" for height, width in SIZES)]
    model = walk.directory / "models" / "shapes" / "1"
    command = [sys.executable, "-c", ASK_TENSORFLOW, str(model), str(request), str(answer), *sizes]
    subprocess.run(command, check=True, capture_output=True)
    masks: Mapping[str, NDArray[np.int32]] = np.load(answer)
    return masks


def mean_iou(masks: NDArray[np.int32], truth: NDArray[np.int32]) -> float:
    """The mean over the classes of intersection over union, from the table of true class by found class."""
    table = np.bincount(truth.ravel() * 4 + masks.ravel(), minlength=16).reshape(4, 4)
    both = np.diag(table)
    return float((both / (table.sum(axis=0) + table.sum(axis=1) - both)).mean())


def test_iou_is_the_models_own(
    walk: Walk,
    held_out: tuple[NDArray[np.uint8], NDArray[np.int32]],
    tensorflows_own: Mapping[str, NDArray[np.int32]],
) -> None:
    """Training and client print the mean IoU that TensorFlow's masks have, and it is at least 0.8."""
    own = mean_iou(tensorflows_own["held_out,64,64"], held_out[1])
    printed = [IOU.findall(walk.output(words)) for words in ("train_and_export.py", "--evaluate=50")]
    assert printed == [[f"{own:.4f}"]] * 2
    assert own >= 0.8


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_masks_of_any_size(
    client: Client,
    picture: NDArray[np.uint8],
    tensorflows_own: Mapping[str, NDArray[np.int32]],
    height: int,
    width: int,
) -> None:
    """A mask has the size that was asked for, and the classes that TensorFlow finds."""
    inputs = {"image": picture[None], "height": np.int32(height), "width": np.int32(width)}
    mask = client.predict("shapes", inputs)["mask"]
    assert mask.shape == (1, height, width)
    assert mask.dtype == np.dtype(np.int32)
    np.testing.assert_array_equal(mask, tensorflows_own[f"picture,{height},{width}"])


def test_pictures_of_any_shape(client: Client) -> None:
    """Two pictures that are not square go in one request, and each gets its mask."""
    pictures = np.full([2, 48, 200, 3], 40, np.uint8)
    pictures[1, 10:40, 60:140] = 200
    mask = client.predict("shapes", {"image": pictures, "height": np.int32(48), "width": np.int32(200)})["mask"]
    assert mask.shape == (2, 48, 200)
    # The middle of the one thing that is there, and a corner of each picture.
    assert mask[1, 25, 100] != 0
    assert mask[:, 0, 0].tolist() == [0, 0]


def test_overlay_shows_the_mask(walk: Walk, client: Client, picture: NDArray[np.uint8]) -> None:
    """The PNG is the picture, half covered by each class's colour where the mask has the class, and only there."""
    height, width = picture.shape[:2]
    inputs = {"image": picture[None], "height": np.int32(height), "width": np.int32(width)}
    mask = client.predict("shapes", inputs)["mask"][0]
    with Image.open(walk.directory / "overlay.png") as opened:
        assert opened.format == "PNG"
        overlay = np.asarray(opened)
    np.testing.assert_array_equal((overlay != picture).any(axis=-1), mask != 0)
    for kind, colour in COLOURS.items():
        inside = mask == CLASSES.index(kind)
        assert inside.any()
        np.testing.assert_array_equal(overlay[inside], picture[inside] // 2 + np.array(colour, np.uint8))


def test_shares_are_those_of_the_mask(walk: Walk, client: Client, picture: NDArray[np.uint8]) -> None:
    """The client prints how much of the picture each class covers."""
    inputs = {"image": picture[None], "height": np.int32(160), "width": np.int32(160)}
    mask = client.predict("shapes", inputs)["mask"]
    expected = {kind: f"{(mask == number).mean():.1%}" for number, kind in enumerate(CLASSES)}
    assert dict(re.findall(r"^  (\w+) +(\d+\.\d%)", walk.output("--image"), re.MULTILINE)) == expected


def test_drawn_picture(walk: Walk) -> None:
    """With ``--synthetic`` the client asks about a picture that it draws, and writes another overlay."""
    assert "picture 5, 160 x 160:" in walk.output("--synthetic=5")
    with Image.open(walk.directory / "overlay-5.png") as opened:
        assert (opened.format, opened.size) == ("PNG", (160, 160))


def test_signature_is_the_pages(walk: Walk, client: Client) -> None:
    """The signature has the types and shapes in the page's table."""
    signature = client.metadata("shapes").signatures["serving_default"]
    inputs = {name: (info.dtype, info.shape) for name, info in signature.inputs.items()}
    assert inputs == {"image": ("uint8", (-1, -1, -1, 3)), "height": ("int32", ()), "width": ("int32", ())}
    assert {name: info.dtype for name, info in signature.outputs.items()} == {"mask": "int32"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param("--server=localhost:1", "No server answers at localhost:1", id="nobody there"),
        pytest.param("--server=localhost:8500 --model=none", "Servable not found for request", id="another model"),
        pytest.param("--server=localhost:8500 --image=none.png", "No such file", id="no picture"),
    ],
)
def test_client_says_what_went_wrong(walk: Walk, arguments: str, expected: str) -> None:
    """The client ends with status 1 and a sentence, and without a stack trace."""
    with pytest.raises(AssertionError, match=r"^status 1:") as failed:
        walk.shell(f"python examples/segmentation/client.py {arguments}")
    assert expected in str(failed.value)
    assert "Traceback" not in str(failed.value)


def test_bad_model_is_not_exported(walk: Walk, tmp_path: Path) -> None:
    """Below the required IoU the script ends with status 1 and leaves no version."""
    program = (
        "import sys, train_and_export as t\n"
        "t.TRAINING_PICTURES, t.EPOCHS, sys.argv = 16, 1, ['', sys.argv[1]]\nsys.exit(t.main())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "shapes")]
    directory = walk.directory / "examples" / "segmentation"
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing is exported below 0.8" in done.stderr
    assert not (tmp_path / "shapes").exists()


def test_version_that_is_there_is_kept(walk: Walk) -> None:
    """Exporting once more fails before it trains, and says what to do."""
    with pytest.raises(AssertionError, match="is there already: remove it"):
        walk.shell("python examples/segmentation/train_and_export.py models/shapes")
