"""Telling the kinds of model directories apart."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from serving.loading.model_kinds import ModelKind, kind_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("files", "prefer_tflite", "kind"),
    [
        pytest.param(["saved_model.pb", "variables"], False, ModelKind.SAVED_MODEL, id="binary SavedModel"),
        pytest.param(["saved_model.pbtxt"], False, ModelKind.SAVED_MODEL, id="text SavedModel"),
        pytest.param(["saved_model.pb"], True, ModelKind.SAVED_MODEL, id="no TFLite file to prefer"),
        pytest.param(["saved_model.pb", "model.tflite"], False, ModelKind.SAVED_MODEL, id="TFLite not preferred"),
        pytest.param(["saved_model.pb", "model.tflite"], True, ModelKind.TFLITE, id="TFLite preferred"),
        pytest.param(["model.tflite"], True, ModelKind.TFLITE, id="TFLite alone"),
        pytest.param(["model.tflite"], False, ModelKind.SAVED_MODEL, id="TFLite alone, not asked for"),
        pytest.param(["export.meta", "export-00000-of-00001"], False, ModelKind.SESSION_BUNDLE, id="session bundle"),
        pytest.param(["export.meta", "saved_model.pb"], False, ModelKind.SAVED_MODEL, id="exported both ways"),
        pytest.param(["export.meta", "model.tflite"], True, ModelKind.TFLITE, id="TFLite beside a session bundle"),
        pytest.param(["model.keras"], True, ModelKind.KERAS, id="Keras"),
        pytest.param(["model.keras", "saved_model.pb"], False, ModelKind.SAVED_MODEL, id="Keras, and its export"),
        pytest.param(["other.keras"], False, ModelKind.SAVED_MODEL, id="Keras by another name"),
        pytest.param(["readme.txt"], True, ModelKind.SAVED_MODEL, id="nothing known"),
        pytest.param([], False, ModelKind.SAVED_MODEL, id="empty"),
    ],
)
def test_kind_follows_from_files_and_the_flag(files: list[str], prefer_tflite: bool, kind: ModelKind) -> None:
    """The names in the directory and --prefer_tflite_model decide; what looks like nothing fails as a SavedModel."""
    assert kind_of(files, prefer_tflite=prefer_tflite) is kind


def test_server_does_not_import_what_it_does_not_serve() -> None:
    """A server that meets only SavedModels pays nothing for the other kinds."""
    code = "import json, sys, serving.server; json.dump(sorted(sys.modules), sys.stdout)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = json.loads(result.stdout)
    assert "serving.servables.saved_model" in imported
    rare = ["serving.servables.tflite", "serving.servables.session_bundle", "ai_edge_litert", "flatbuffers"]
    rare += ["serving.loading.keras_files", "keras"]
    assert [name for name in imported if name.startswith(tuple(rare))] == []
