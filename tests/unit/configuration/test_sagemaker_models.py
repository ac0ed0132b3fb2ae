"""Models found where SageMaker unpacks them."""

from pathlib import Path

import pytest

from serving.configuration.named_models import named_by_flags
from serving.configuration.sagemaker_models import found_below, loadable
from serving.core.version_policy import All
from serving.errors import ConfigurationError
from serving.settings import Settings


def add(root: Path, *places: str) -> None:
    """SavedModels at these places, as far as they are looked at."""
    for place in places:
        (root / place).mkdir(parents=True)
        (root / place / "saved_model.pb").touch()


def test_every_depth(tmp_path: Path) -> None:
    """What estimators export, what users pack, and a version directly in the directory; other files do not matter."""
    add(tmp_path, "export/Servo/1700000000", "half_plus_two/1", "half_plus_two/00000123", "1")
    (tmp_path / "code").mkdir()
    found = found_below(tmp_path)
    assert [(model.name, model.base_path) for model in found] == [
        (tmp_path.name, tmp_path),
        ("Servo", tmp_path / "export/Servo"),
        ("half_plus_two", tmp_path / "half_plus_two"),
    ]
    assert {model.policy for model in found} == {All()}


def test_no_model(tmp_path: Path) -> None:
    """The error says what is expected, and where a model lies that is no version."""
    with pytest.raises(ConfigurationError, match=r"There is no SavedModel below .*/my_model/1/saved_model.pb.*No file"):
        found_below(tmp_path)
    add(tmp_path, "mine")
    with pytest.raises(ConfigurationError, match=f"It is in {tmp_path}/mine, whose name is no number"):
        found_below(tmp_path)


def test_names_are_unique(tmp_path: Path) -> None:
    """Two directories of a name would be one model."""
    add(tmp_path, "a/m/1", "b/m/1")
    with pytest.raises(ConfigurationError, match=f"have the name m: {tmp_path}/a/m and {tmp_path}/b/m"):
        found_below(tmp_path)


def test_flags(tmp_path: Path) -> None:
    """The directory is looked at only where no flag names models, and none are named to be loaded one by one."""
    add(tmp_path, "m/1")
    single = Settings(sagemaker=True, sagemaker_model_directory=str(tmp_path))
    assert [model.name for model in named_by_flags(single) or ()] == ["m"]
    named = Settings(sagemaker=True, sagemaker_model_directory=str(tmp_path), model_base_path="/x", model_name="x")
    assert [model.name for model in named_by_flags(named) or ()] == ["x"]
    multi = Settings(sagemaker=True, sagemaker_multi_model=True, sagemaker_model_directory=str(tmp_path))
    assert named_by_flags(multi) == ()
    assert (loadable(multi), loadable(single)) == ((tmp_path,), ())
    assert loadable(Settings(sagemaker=True, sagemaker_multi_model=True)) == (Path("/opt/ml/models"),)
    with pytest.raises(ConfigurationError, match="--sagemaker_multi_model is given without --sagemaker"):
        named_by_flags(Settings(sagemaker_multi_model=True))


def test_handlers_in_python_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are not run, and the log says so."""
    add(tmp_path, "m/1")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").touch()
    found_below(tmp_path)
    assert "inference.py is not run: this server has no handlers in Python" in caplog.text
