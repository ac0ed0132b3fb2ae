"""The tf.Example tutorial: every call gives scikit-learn's numbers, and tags choose the graph."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from serving.client import Client, example
from tests.support.server_process import ServerProcess
from tests.walks.walk import Walk
from tests.walks.wine import Own, fitted

pytestmark = pytest.mark.timeout(300)

LABELS = ["class_0", "class_1", "class_2"]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page, walked through; its last server, with the graph for training, is still up."""
    with Walk("tf_example", tmp_path_factory.mktemp("tf_example")) as walk:
        walk.run()
        yield walk


@pytest.fixture(scope="module")
def own() -> Own:
    return fitted()


@pytest.fixture(scope="module")
def body(walk: Walk) -> dict[str, Any]:
    """The request that ships with the example: ``context`` and ``examples``."""
    loaded: dict[str, Any] = json.loads((walk.directory / "examples" / "tf_example" / "wines.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def wines(body: Mapping[str, Any]) -> list[dict[str, float]]:
    """The same wines with every feature in each."""
    return [{**body["context"], **wine} for wine in body["examples"]]


def serve(walk: Walk, *flags: str, wait: bool = True) -> ServerProcess:
    """A server of the page's model."""
    base_path = walk.directory / "models" / "wine"
    return ServerProcess(["--model_name=wine", f"--model_base_path={base_path}", *flags], wait=wait)


@pytest.fixture(scope="module")
def server(walk: Walk) -> Iterator[ServerProcess]:
    """The graph for serving, which is what is served without tags."""
    with serve(walk) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(f"localhost:{server.grpc_port}") as client:
        yield client


@pytest.fixture(scope="module")
def trainer(walk: Walk) -> Iterator[Client]:
    """A client of the page's last server: the graph for training."""
    with Client(f"localhost:{walk.server.grpc_port}") as client:
        yield client


def ask(server: ServerProcess, call: str, body: Mapping[str, Any]) -> tuple[int, Any]:
    """Status and decoded answer of a call over REST."""
    status, answer = server.rest("POST", f"/v1/models/wine:{call}", json.dumps(body))
    return status, json.loads(answer)


def numbers(text: str) -> list[list[float]]:
    """All numbers with four decimals in the lines ``wine 1: ...``."""
    lines = re.findall(r"^wine \d: (.*)$", text, re.MULTILINE)
    return [[float(number) for number in re.findall(r"\d+\.\d{4}", line)] for line in lines]


def printed(walk: Walk, script: str, occurrence: int) -> list[list[float]]:
    """The numbers of all that the page's n-th block with ``script`` printed."""
    return numbers([ran.output for ran in walk.ran if script in ran.block][occurrence])


def test_figures_of_the_export(walk: Walk, own: Own) -> None:
    """The script prints what scikit-learn scores on the wines held out, and is right for most."""
    output = walk.output("export.py")
    assert re.findall(r"right for (\d+\.\d%)", output) == [f"{own.accuracy:.1%}"]
    assert re.findall(r"off by (\d\.\d\d) percent", output) == [f"{own.error:.2f}"]
    assert own.accuracy >= 0.9


def test_wines_are_held_out_ones(body: Mapping[str, Any]) -> None:
    """The example's wines were not trained on; one is of each cultivar, in order."""
    from sklearn.datasets import load_wine
    from sklearn.model_selection import train_test_split

    wine = load_wine()
    test = train_test_split(np.arange(178), test_size=60, random_state=7)[1]
    found = []
    for given in body["examples"]:
        columns = [wine.feature_names.index(name) for name in given]
        (row,) = np.flatnonzero((wine.data[:, columns] == list(given.values())).all(axis=1))
        assert row in test
        found.append(int(wine.target[row]))
    assert found == [0, 1, 2]


def test_classify_over_rest(server: ServerProcess, body: Mapping[str, Any], own: Own, wines: Any) -> None:
    """The default signature gives each wine the three labels with scikit-learn's probabilities."""
    status, answer = ask(server, "classify", body)
    assert status == 200
    assert [[label for label, _ in result] for result in answer["results"]] == [LABELS] * 3
    scores = [[score for _, score in result] for result in answer["results"]]
    np.testing.assert_allclose(scores, own.probabilities(wines), atol=1e-5)


def test_regress_over_rest(server: ServerProcess, body: Mapping[str, Any], own: Own, wines: Any) -> None:
    """The regress signature gives scikit-learn's alcohol."""
    status, answer = ask(server, "regress", {"signature_name": "regress_alcohol", **body})
    assert status == 200
    np.testing.assert_allclose(answer["results"], own.percents(wines), atol=1e-4)


def test_features_of_an_example_come_before_the_contexts(
    server: ServerProcess, body: Mapping[str, Any], own: Own, wines: Any
) -> None:
    """A feature that an example has itself is not taken from the context."""
    examples = [{**body["examples"][0], "ash": 3.1}, *body["examples"][1:]]
    request = {"signature_name": "regress_alcohol", "context": body["context"], "examples": examples}
    expected = own.percents([{**wines[0], "ash": 3.1}, *wines[1:]])
    np.testing.assert_allclose(ask(server, "regress", request)[1]["results"], expected, atol=1e-4)
    assert abs(expected - own.percents(wines)).max() > 0.01


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"magnesium": 101}, "Data types don't match", id="integer"),
        pytest.param({"magnesium": []}, "Feature: magnesium", id="without a value"),
    ],
)
def test_features_of_another_kind_are_refused(
    server: ServerProcess, wines: list[dict[str, Any]], change: dict[str, Any], expected: str
) -> None:
    """The model wants floats, and the answer names the feature that is none."""
    status, answer = ask(server, "classify", {"examples": [{**wines[0], **change}]})
    assert status == 400
    assert expected in answer["error"]
    assert "magnesium" in answer["error"]


def test_classify_over_grpc(client: Client, body: Mapping[str, Any], own: Own, wines: Any) -> None:
    """Classify with a context gives labels and scikit-learn's probabilities."""
    results = client.classify("wine", body["examples"], signature="classify_cultivar", context=body["context"])
    assert [[each.label for each in classes] for classes in results] == [LABELS] * 3
    scores = [[each.score for each in classes] for classes in results]
    np.testing.assert_allclose(scores, own.probabilities(wines), atol=1e-5)


def test_regress_over_grpc(client: Client, body: Mapping[str, Any], own: Own, wines: Any) -> None:
    """Regress with a context gives scikit-learn's alcohol."""
    results = client.regress("wine", body["examples"], signature="regress_alcohol", context=body["context"])
    np.testing.assert_allclose(results, own.percents(wines), atol=1e-4)


def test_multi_inference_is_both_calls(client: Client, body: Mapping[str, Any]) -> None:
    """MultiInference gives what Classify and Regress give one by one."""
    examples, context = body["examples"], body["context"]
    both = client.multi_inference("wine", examples, ["classify_cultivar", "regress_alcohol"], context=context)
    assert both.keys() == {"classify_cultivar", "regress_alcohol"}
    single = client.classify("wine", examples, signature="classify_cultivar", context=context)
    assert both["classify_cultivar"] == single
    regressed = client.regress("wine", examples, signature="regress_alcohol", context=context)
    np.testing.assert_array_equal(both["regress_alcohol"], regressed)


def test_predict_takes_serialised_examples(client: Client, own: Own, wines: Any) -> None:
    """The predict signature gives both as tensors, from a tensor of strings."""
    outputs = client.predict("wine", {"examples": [example(wine) for wine in wines]}, signature="predict")
    np.testing.assert_allclose(outputs["probabilities"], own.probabilities(wines), atol=1e-5)
    np.testing.assert_allclose(outputs["alcohol"], own.percents(wines), atol=1e-4)


@pytest.mark.parametrize("script", ["tf_example/rest_client.py classify", "tf_example/client.py classify"])
def test_clients_print_scores_and_alcohol(walk: Walk, own: Own, wines: Any, script: str) -> None:
    """First a line of three scores for each wine, then a line with the alcohol of each: scikit-learn's."""
    lines = printed(walk, script, 0)
    np.testing.assert_allclose(lines[:3], own.probabilities(wines), atol=2e-4)
    np.testing.assert_allclose(lines[3:], own.percents(wines)[:, None], atol=2e-4)


def test_client_prints_the_predicted_tensors(walk: Walk, own: Own, wines: Any) -> None:
    """Predict's lines have scikit-learn's three probabilities, then the alcohol."""
    expected = np.column_stack([own.probabilities(wines), own.percents(wines)])
    np.testing.assert_allclose(numbers(walk.output("client.py predict")), expected, atol=2e-4)


def test_client_prints_both_inferences(walk: Walk, own: Own, wines: Any) -> None:
    """MultiInference's lines have the best class with scikit-learn's probability, then the alcohol."""
    output = walk.output("client.py multi_inference")
    expected = np.column_stack([own.probabilities(wines).max(axis=1), own.percents(wines)])
    np.testing.assert_allclose(numbers(output), expected, atol=2e-4)
    assert re.findall(r"class_\d", output) == LABELS


def test_curl_is_answered_as_the_client(walk: Walk, own: Own, wines: Any) -> None:
    """The page's curl call gives scikit-learn's probabilities."""
    results = json.loads(walk.output("curl"))["results"]
    np.testing.assert_allclose([[score for _, score in each] for each in results], own.probabilities(wines), atol=1e-5)


def test_tag_sets_are_listed(walk: Walk) -> None:
    """saved_model_cli lists the three tag sets, and the signatures of the one that is asked for."""
    listed = next(ran.output for ran in walk.ran if ran.block == "saved_model_cli show --dir models/wine/1")
    tag_sets = {line.strip().strip("'") for line in listed.splitlines()}
    assert {"serve", "train", "mobile"} <= tag_sets
    shown = set(re.findall(r'SignatureDef key: "(\w+)"', walk.output("--tag_set serve")))
    assert {"classify_cultivar", "regress_alcohol", "predict", "serving_default"} <= shown


def test_mobile_graph_has_rounded_weights(walk: Walk, own: Own, wines: Any) -> None:
    """With the tags of the phone's graph the scores are those of weights rounded to 255 steps."""
    weights = own.cultivar.coef_
    step = abs(weights).max() / 127
    scores = np.exp(own.standardised(wines) @ (np.round(weights / step) * step).T + own.cultivar.intercept_)
    expected = scores / scores.sum(axis=1, keepdims=True)
    found = printed(walk, "tf_example/rest_client.py classify", 1)
    np.testing.assert_allclose(found, expected, atol=6e-5)
    assert abs(np.array(found) - own.probabilities(wines)).max() > 1e-4


def test_mobile_graph_has_no_regression(walk: Walk, body: Mapping[str, Any]) -> None:
    """A signature that only the other graphs have is not there."""
    with serve(walk, "--saved_model_tags=mobile") as server:
        status, answer = ask(server, "regress", {"signature_name": "regress_alcohol", **body})
    assert (status, answer) == (400, {"error": "No signature was found with the name: regress_alcohol"})


def test_training_graph_answers_at_random(walk: Walk) -> None:
    """With the tags of the training graph two equal calls are answered differently."""
    lines = printed(walk, "tf_example/client.py classify", 1)
    assert len(lines) == 6
    assert lines[:3] != lines[3:]


def test_training_graph_is_right_on_average(trainer: Client, own: Own, wines: list[dict[str, float]]) -> None:
    """Dropping features leaves the mean of a linear model as it is."""
    alcohol = trainer.regress("wine", [wines[0]] * 5000, signature="regress_alcohol")
    tolerance = 6 * alcohol.std() / np.sqrt(len(alcohol))
    assert alcohol.std() > 0.05
    assert alcohol.mean() == pytest.approx(own.percents(wines)[0], abs=tolerance)


@pytest.mark.parametrize(
    ("tags", "shown"),
    [
        pytest.param("phone", "phone", id="unknown"),
        pytest.param("serve,mobile", "(serve mobile|mobile serve)", id="of two graphs"),
    ],
)
def test_tags_that_are_not_there(walk: Walk, tags: str, shown: str) -> None:
    """A set of tags that no graph has ends the server, with TensorFlow's text; sets must be equal."""
    with serve(walk, f"--saved_model_tags={tags}", "--max_num_load_retries=0", wait=False) as server:
        server.wait_for(rf"Could not find meta graph def matching supplied tags: \{{ {shown} \}}")
        assert server.wait() == 255


def test_version_that_is_there_is_kept(walk: Walk) -> None:
    """Exporting once more fails, and says what to do."""
    with pytest.raises(AssertionError, match="is there already: remove it"):
        walk.shell("python examples/tf_example/export.py models/wine")
