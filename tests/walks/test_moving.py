"""docs/moving*.md: their commands, run on what other servers' users have, and tables against the other pages."""

import json
import re
import shlex
import shutil
import tarfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.client import Client
from tests.support.shell_blocks import shell_blocks
from tests.walks.walk import Walk

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "\n".join(page.read_text() for page in sorted(DOCS.glob("moving*.md")))
COMPATIBILITY = (DOCS / "compatibility.md").read_text()

TRITON = "From Triton's TensorFlow backend"
OPENVINO = "From OpenVINO Model Server"
SAGEMAKER = "From SageMaker's TensorFlow container"
VERTEX_AI = "From Vertex AI's TensorFlow containers"


def part(text: str, heading: str) -> str:
    """What is below a heading, inner ones included, until the next of its own depth or less."""
    depth, rest = re.split(rf"^(#+) {re.escape(heading)}$", text, maxsplit=1, flags=re.MULTILINE)[1:]
    return re.split(rf"^#{{1,{len(depth)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the rows of all tables, heads left out."""
    tables = re.findall(r"^\|.*\n\|[ |:-]+\n((?:\|.*\n?)*)", text, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for table in tables for row in table.splitlines()]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, those inside of lists too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


@pytest.fixture(scope="module")
def triton(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The commands for Triton's users, where `triton/` is a repository of theirs; the server is still up."""
    pages, directory = tmp_path_factory.mktemp("pages"), tmp_path_factory.mktemp("triton")
    (pages / "triton").mkdir()
    (pages / "triton" / "README.md").write_text(part(PAGE, TRITON))
    for name, version in [("half_plus_two", "1"), ("versions", "1"), ("versions", "2"), ("versions", "007")]:
        target = directory / "triton" / name / version / "model.savedmodel"
        shutil.copytree(saved_model(models), target)
    (directory / "triton" / "half_plus_two" / "config.pbtxt").write_text('platform: "tensorflow_savedmodel"\n')
    onnx = directory / "triton" / "other" / "1"
    onnx.mkdir(parents=True)
    (onnx / "model.onnx").write_bytes(b"of another backend")
    with Walk("triton", directory, examples=pages) as walk:
        walk.run()
        yield walk


@pytest.fixture(scope="module")
def openvino(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The commands for users of OpenVINO Model Server, with the page's config.json; the server is still up."""
    pages, directory = tmp_path_factory.mktemp("pages"), tmp_path_factory.mktemp("openvino")
    (pages / "openvino").mkdir()
    (pages / "openvino" / "README.md").write_text(part(PAGE, OPENVINO))
    for name, version in [("half_plus_two", "1"), ("versions", "1"), ("versions", "2"), ("versions", "3")]:
        shutil.copytree(saved_model(models), directory / "models" / name / version)
    (config,) = blocks(part(PAGE, OPENVINO), "json")
    (directory / "config.json").write_text(config.replace("/models/", f"{directory}/models/"))
    with Walk("openvino", directory, examples=pages) as walk:
        walk.run()
        yield walk


def page_of(heading: str, name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the commands of that part of the page, those inside of lists too, as an example's README.md."""
    pages = tmp_path_factory.mktemp("pages")
    (pages / name).mkdir()
    text = "".join(f"```sh\n{block}```\n\n" for block in blocks(part(PAGE, heading), "sh"))
    (pages / name / "README.md").write_text(text)
    return pages


@pytest.fixture(scope="module")
def sagemaker(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The commands for SageMaker's users, with an archive as its SDK makes them; the server is still up."""
    directory = tmp_path_factory.mktemp("sagemaker")
    with tarfile.open(directory / "model.tar.gz", "w:gz") as archive:
        archive.add(saved_model(models), "half_plus_two/00000001")
    with Walk("sagemaker", directory, examples=page_of(SAGEMAKER, "sagemaker", tmp_path_factory)) as walk:
        walk.run()
        yield walk


@pytest.fixture(scope="module")
def vertex_ai(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The commands for Vertex AI's users, with a SavedModel as it lies in a bucket; the server is still up."""
    directory = tmp_path_factory.mktemp("vertex_ai")
    shutil.copytree(saved_model(models), directory / "saved_model")
    with Walk("vertex_ai", directory, examples=page_of(VERTEX_AI, "vertex_ai", tmp_path_factory)) as walk:
        walk.run()
        yield walk


def saved_model(models: Path) -> Path:
    """half_plus_two, to be copied as any version of any model: the names are what matters."""
    return next(path for path in sorted((models / "half_plus_two").iterdir()) if path.name.isdigit())


def versions(walk: Walk, model: str) -> set[str]:
    """The versions that are available."""
    status, body = walk.server.rest("GET", f"/v1/models/{model}")
    assert status == 200, body
    return {each["version"] for each in json.loads(body)["model_version_status"] if each["state"] == "AVAILABLE"}


def test_triton_models_are_served(triton: Walk) -> None:
    """The latest version of each SavedModel of the repository is served, and nothing else is."""
    assert (versions(triton, "half_plus_two"), versions(triton, "versions")) == ({"1"}, {"2"})
    assert sorted(path.name for path in (triton.directory / "models").iterdir()) == ["half_plus_two", "versions"]


def test_triton_files_are_whole(triton: Walk) -> None:
    """What was copied is what lay in the repository, and no unfinished copy is left."""
    source = triton.directory / "triton" / "versions" / "2" / "model.savedmodel"
    target = triton.directory / "models" / "versions"
    assert sorted(path.name for path in target.iterdir()) == ["1", "2"]
    files = {path.relative_to(source): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    assert files
    assert {p.relative_to(target / "2"): p.read_bytes() for p in (target / "2").rglob("*") if p.is_file()} == files


def test_triton_request_as_it_is(triton: Walk) -> None:
    """The request that Triton had is answered as the page says, and as docs/dialects.md says of it."""
    printed = triton.output("half_plus_two/infer")
    assert json.loads(printed[printed.index("{") :])["outputs"][0]["data"] == [1.0 / 2 + 2, 2.0 / 2 + 2, 5.0 / 2 + 2]
    asked, answer = blocks(part(PAGE, TRITON), "sh")[4], blocks(part(PAGE, TRITON), "text")[0]
    assert answer.strip() in printed
    there = part((DOCS / "dialects.md").read_text(), "Open Inference Protocol")
    assert blocks(there, "text") == [answer]
    assert shlex.split(blocks(there, "sh")[0])[-1] == shlex.split(asked)[-1]


def test_triton_request(triton: Walk) -> None:
    """The other request of the page is answered as the page says, which is x / 2 + 2."""
    printed = triton.output("half_plus_two:predict")
    assert json.loads(printed[printed.index("{") :])["outputs"] == [1.0 / 2 + 2, 2.0 / 2 + 2, 5.0 / 2 + 2]
    assert blocks(part(PAGE, TRITON), "text")[-1].strip() in printed


def test_triton_python(triton: Walk) -> None:
    """The page's Python prints the same."""
    (script,) = blocks(part(PAGE, TRITON), "python")
    printed = triton.shell(f"python - <<'END'\n{script}END")
    assert printed.split() == ["[2.5", "3.", "4.5]"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [pytest.param("half_plus_two", 400, id="batched"), pytest.param("versions", 200, id="not batched")],
)
def test_triton_batching_is_in_effect(triton: Walk, model: str, expected: int) -> None:
    """The model that got parameters refuses nine rows, for eight are the most; the other one takes them."""
    status, body = triton.server.rest("POST", f"/v1/models/{model}:predict", json.dumps({"instances": [1.0] * 9}))
    assert (status, b"larger than maximum input batch size 8" in body) == (expected, expected == 400)


def test_openvino_models_are_served(openvino: Walk) -> None:
    """The versions are those that config.json asks for, though there is a later one."""
    assert (versions(openvino, "half"), versions(openvino, "both")) == ({"1"}, {"1", "2"})


def test_openvino_object_stores_are_kept(openvino: Walk) -> None:
    """A path in an object store stays as it is, so that the server can refuse it by name."""
    (converter,) = (block for block in shell_blocks(part(PAGE, OPENVINO)) if "config.json" in block)
    stored = {"config": {"name": "stored", "base_path": "s3://bucket/stored"}}
    (openvino.directory / "stored.json").write_text(json.dumps({"model_config_list": [stored]}))
    openvino.shell(converter.replace("config.json", "stored.json").replace("models.config", "stored.config"))
    assert 'base_path: "s3://bucket/stored"' in (openvino.directory / "stored.config").read_text()


def test_openvino_request(openvino: Walk) -> None:
    """The request of the page is answered as the page says, which is x / 2 + 2."""
    printed = openvino.output("half:predict")
    assert json.loads(printed[printed.index("{") :])["predictions"] == [1.0 / 2 + 2, 2.0 / 2 + 2, 5.0 / 2 + 2]
    assert blocks(part(PAGE, OPENVINO), "text")[-1].strip() in printed


def test_openvino_client_calls(openvino: Walk) -> None:
    """The calls that take the place of ovmsclient's exist and answer."""
    with Client(f"localhost:{openvino.server.grpc_port}") as client:
        assert client.predict("half", {"x": [1.0]})["y"].tolist() == [2.5]
        assert [status.version for status in client.status("half")] == [1]
        assert "serving_default" in client.metadata("half").signatures


def test_sagemaker_requests(sagemaker: Walk) -> None:
    """The requests of the page are answered as the page says, and the model was found in the archive."""
    assert versions(sagemaker, "half_plus_two") == {"1"}
    assert sagemaker.output("find model").split() == ["model/half_plus_two/00000001/saved_model.pb"]
    for words, expected in zip(("text/csv", "jsonlines"), blocks(part(PAGE, SAGEMAKER), "text"), strict=True):
        assert expected.strip() in sagemaker.output(words)


def test_vertex_ai_request(vertex_ai: Walk) -> None:
    """The request of the page is answered as the page says."""
    assert blocks(part(PAGE, VERTEX_AI), "text")[-1].strip() in vertex_ai.output("/predict")


def test_version_zero_is_not_the_latest(openvino: Walk) -> None:
    """Here version 0 is a version like any other, and there is none."""
    status, body = openvino.server.rest("POST", "/v1/models/half/versions/0:predict", '{"instances": [1.0]}')
    assert (status, b"Specific(half, 0)" in body) == (404, True)


def test_answers_are_compared(openvino: Walk, triton: Walk) -> None:
    """The loop that compares two servers names the requests of which the answers differ or fail, and no other."""
    (loop,) = blocks(part(PAGE, "Move safely"), "sh")
    requests = triton.directory / "requests"
    requests.mkdir()
    (requests / "same.json").write_text('{"instances": [1.0, 2.0]}')
    (requests / "neither.json").write_text('{"instances": ["one"]}')
    (requests / "nine.json").write_text(json.dumps({"instances": [1.0] * 9}))
    old, new = f"localhost:{openvino.server.rest_port}", f"localhost:{triton.server.rest_port}"
    loop = loop.replace("old:8501/v1/models/resnet", f"{old}/v1/models/half")
    loop = loop.replace("new:8501/v1/models/resnet", f"{new}/v1/models/half_plus_two")
    printed = [line for line in triton.shell(loop).splitlines() if not line.startswith("curl: (22)")]
    assert printed == [
        "requests/neither.json: no answer from old",
        "requests/neither.json: no answer from new",
        "requests/nine.json: no answer from new",
        "requests/nine.json differs",
    ]


def test_what_is_the_same_is_there() -> None:
    """Each row of "What is the same" is a feature that docs/compatibility.md says is there, in the same words."""
    there = {row[0] for row in rows(part(COMPATIBILITY, "What is there")) if row[2] == "yes"}
    same = [row[0] for row in rows(part(PAGE, "What is the same"))]
    assert len(same) > 10
    assert set(same) - there == set()


def test_what_is_not_there_is_named() -> None:
    """What docs/compatibility.md says is not there is named under "What is not there"."""
    missing = [row[0] for row in rows(part(COMPATIBILITY, "What is there")) if row[2] in ("no", "to be added")]
    assert len(missing) >= 3
    assert [name for name in missing if name.lower() not in part(PAGE, "What is not there").lower()] == []


def test_differences_are_listed() -> None:
    """The four differences are in the list of docs/compatibility.md."""
    listed = {
        each.strip() for row in rows(part(COMPATIBILITY, "What differs on purpose")) for each in row[0].split(",")
    }
    named = [row[0] for row in rows(part(PAGE, "What differs"))]
    assert len(named) == 4
    assert set(named) - listed == set()


def test_figures_are_those_of_the_benchmarks() -> None:
    """Each measured figure under "What is better" is in the results of docs/benchmarks.md as it is written here."""
    results = part((DOCS / "benchmarks.md").read_text(), "Results")
    figures = re.findall(r"\d\.\d+(?: \([\d. to]+\))?", part(PAGE, "What is better"))
    resident = re.findall(r"(\d+) MB resident", part(PAGE, "What is better"))
    assert (len(figures), len(resident)) == (3, 1)
    assert [figure for figure in figures if figure not in results] == []
    assert f"resident, MB | ours: {resident[0]} |" in results


@pytest.mark.parametrize("heading", [TRITON, OPENVINO])
def test_metrics_exist(heading: str) -> None:
    """Each metric of ours that a table names is in docs/metrics.md."""
    named = set(re.findall(r":tensorflow:[\w:]+", part(PAGE, heading)))
    assert named
    assert named - set(re.findall(r":tensorflow:[\w:]+", (DOCS / "metrics.md").read_text())) == set()
