"""Configuration files with a mistake: each row has the line, the column and the line itself."""

from pathlib import Path

import pytest

from serving.doctor.config_files import MESSAGES, named_models, other_files
from serving.doctor.finding import Finding, Level
from serving.settings import FLAGS, Settings
from tests.unit.doctor.rows import level, only

ONE = """model_config_list {
  config {
    name: "a"
    base_path: "/models/a"
    model_platform: "tensorflow"
  }
}
"""


def of_models(path: Path, text: str, **flags: str) -> list[Finding]:
    path.write_text(text)
    return named_models(Settings(model_config_file=str(path), **flags))[1]  # type: ignore[arg-type]


MISTAKES = [
    pytest.param(
        ONE.replace("base_path", "base_pth"),
        'line 4, column 5: ModelConfig has no field base_pth. The line is: base_pth: "/models/a"',
        "Did you mean base_path?",
        id="field",
    ),
    pytest.param(ONE.replace("  }\n}", "  }"), "line 6", "a bracket or quote may be open", id="bracket"),
    pytest.param(
        ONE.replace('"a"', '"a'), "line 3, column 11: String missing ending quote", "bracket or quote", id="quote"
    ),
    pytest.param(
        ONE.replace('"/models/a"', '"models/a"'),
        "line 4, column 5: Expected model a to have an absolute path",
        "",
        id="relative path",
    ),
    pytest.param(
        ONE.replace('"/models/a"', '"hdfs://b/a"'),
        "line 4, column 5: Model a has base_path()=hdfs://b/a",
        "",
        id="store",
    ),
    pytest.param(
        ONE.replace("\n}\n", '\n  config {\n    name: "a"\n    base_path: "/b"\n  }\n}\n'),
        "line 8, column 5: the model a is listed a second time.",
        "Take one of them out.",
        id="twice",
    ),
    pytest.param(
        ONE.replace('"tensorflow"\n', '"tensorflow"\n    version_labels { key: "stable" value: 3 }\n'),
        "line 6, column 22: the label stable of a points to version 3, which is not available at the start.",
        "--allow_version_labels_for_unavailable_models",
        id="label",
    ),
    pytest.param(
        ONE.replace('"tensorflow"\n', '"tensorflow"\n    logging_config { }\n'),
        "a has a logging_config, and there is no --request_log_directory",
        "",
        id="log",
    ),
    pytest.param(ONE.replace('name: "a"', ""), "a model has no name", 'Give it name: "NAME".', id="no name"),
    pytest.param(
        ONE.replace('model_platform: "tensorflow"', ""),
        "line 3, column 5: Illegal setting neither",
        'Write model_platform: "tensorflow"',
        id="no platform",
    ),
    pytest.param("", "is empty", "Write a text ModelServerConfig", id="empty"),
    pytest.param("custom_model_config { }", "custom_model_config is not supported", "", id="custom"),
]


@pytest.mark.parametrize(("text", "found", "advice"), MISTAKES)
def test_model_config(tmp_path: Path, text: str, found: str, advice: str) -> None:
    """One row that fails, with its place."""
    row = only(of_models(tmp_path / "c", text))
    assert row.what == f"--model_config_file={tmp_path}/c"
    assert found in row.found
    assert advice in row.advice


def test_good_models_beside_a_bad_one(tmp_path: Path) -> None:
    """They are examined all the same."""
    (tmp_path / "c").write_text(ONE.replace("\n}\n", '\n  config { name: "b" base_path: "relative" }\n}\n'))
    models, findings = named_models(Settings(model_config_file=str(tmp_path / "c")))
    assert [each.model.name for each in models] == ["a"]
    assert "Expected model b" in only(findings).found
    assert models[0].base_path_is("/x") == f'base_path: "/x" near line 3 of {tmp_path}/c'


def test_good_file(tmp_path: Path) -> None:
    """One row with the names."""
    assert only(of_models(tmp_path / "c", ONE), Level.OK).found == "1 model(s): a"


@pytest.mark.parametrize("text", ["model_config_list { }"])
def test_no_models(tmp_path: Path, text: str) -> None:
    """The server starts with none."""
    assert level(of_models(tmp_path / "c", text), Level.FAILS) == []


def test_file_and_base_path(tmp_path: Path) -> None:
    """The file is what counts."""
    assert "is what counts" in only(of_models(tmp_path / "c", ONE, model_base_path="/m"), Level.WARNING).found


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (Settings(), "no flag names a model"),
        (Settings(model_base_path="m"), "absolute path"),
        (Settings(model_config_file="/nowhere/c"), "/nowhere/c is not there; / has"),
        (Settings(model_config_file="/usr"), "is a directory"),
    ],
)
def test_no_configuration(settings: Settings, found: str) -> None:
    """What is missing is said, and what there is in its place."""
    assert found in only(named_models(settings)[1]).found


OTHERS = [
    pytest.param(
        "batching_parameters_file", "max_batch_siz { value: 4 }", "Did you mean max_batch_size?", id="batching"
    ),
    pytest.param("monitoring_config_file", "prometheus { }", "Did you mean prometheus_config?", id="monitoring"),
    pytest.param("platform_config_file", "platform_config { }", "Did you mean platform_configs?", id="platforms"),
    pytest.param("tensorflow_session_config_file", "intra_op_thread: 1", "line 1, column 1", id="session"),
    pytest.param(
        "batching_parameters_file",
        "max_batch_size { value: 4 }\nallowed_batch_sizes: 8\n",
        "line 2: Last entry in allowed_batch_sizes must match",
        id="sizes",
    ),
    pytest.param("batching_parameters_file", "num_batch_threads { value: 0 }", "num_batch_threads must", id="threads"),
    pytest.param(
        "thread_pool_factory_config_file", "thread_pool_factory_config { }", "Couldn't find factory", id="pool"
    ),
]


@pytest.mark.parametrize(("flag", "text", "words"), OTHERS)
def test_other_file(tmp_path: Path, flag: str, text: str, words: str) -> None:
    """Each is parsed and taken as the start takes it."""
    (tmp_path / "c").write_text(text)
    settings = Settings(**{flag: str(tmp_path / "c")}, enable_batching=True, rest_api_port=1)  # type: ignore[arg-type]
    assert words in only(other_files(settings, 2)[1]).sentence


def test_parameters_without_batching(tmp_path: Path) -> None:
    """The server does not start so."""
    (tmp_path / "c").write_text("max_batch_size { value: 4 }")
    row = only(other_files(Settings(batching_parameters_file=str(tmp_path / "c")), 2)[1])
    assert row.found == "is given without --enable_batching"


@pytest.mark.parametrize(
    ("port", "text", "found"),
    [
        (0, "prometheus_config { enable: true }", "the REST port, which is off"),
        (1, 'prometheus_config { enable: true path: "m" }', "no request can have the path m"),
    ],
)
def test_metrics_that_nobody_can_get(tmp_path: Path, port: int, text: str, found: str) -> None:
    """A warning."""
    (tmp_path / "c").write_text(text)
    settings = Settings(monitoring_config_file=str(tmp_path / "c"), rest_api_port=port)
    assert found in only(other_files(settings, 2)[1], Level.WARNING).found


def test_every_file_flag_is_looked_at() -> None:
    """A flag that names a text proto is in the table, or is one of TLS."""
    flags = {flag.name for flag in FLAGS if flag.name.endswith("_file") and flag.help.startswith("Text ")}
    assert {name for name in flags if "ssl" not in name} == set(MESSAGES)


def test_models_where_sagemaker_unpacks_them(tmp_path: Path) -> None:
    """They are told, or why there are none; of those that are loaded one by one there are none yet."""
    flags = {"sagemaker": True, "sagemaker_model_directory": str(tmp_path)}
    models, findings = named_models(Settings(**flags))  # type: ignore[arg-type]
    assert models == []
    assert f"There is no SavedModel below {tmp_path}" in only(findings).found
    (tmp_path / "export" / "Servo" / "1").mkdir(parents=True)
    (tmp_path / "export" / "Servo" / "1" / "saved_model.pb").touch()
    models, findings = named_models(Settings(**flags))  # type: ignore[arg-type]
    assert [each.model.base_path for each in models] == [tmp_path / "export" / "Servo"]
    assert only(findings, Level.OK).found == "1 model(s): Servo"
    models, findings = named_models(Settings(**flags, sagemaker_multi_model=True))  # type: ignore[arg-type]
    assert models == []
    assert "SageMaker loads them one by one" in only(findings, Level.OK).found
