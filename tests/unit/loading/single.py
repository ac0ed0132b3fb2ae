"""Single models of a house, as a test asks for them. No tests."""

import pytest

from serving.configuration.model_config import ModelConfig
from serving.errors import Code, ServingError
from serving.inference.repository import LoadRequest
from serving.loading.base_paths import BasePaths
from serving.loading.model_places import ModelPlaces
from serving.loading.single_models import SingleModels
from tests.support import TIMEOUT_SECONDS
from tests.unit.loading.house import House


def never() -> bool:
    """The caller stays."""
    return False


class Single:
    """Single models of a house, for somebody who may name base paths beside those of its models alone."""

    def __init__(self, house: House, *, follows_file: bool = False) -> None:
        self.house = house
        self.base_paths = BasePaths()
        places = ModelPlaces(house.models, self.base_paths, any_base_path=False)
        self.models = SingleModels(house.models, places, follows_file=follows_file)

    def start(self, *configs: ModelConfig) -> None:
        """Serve a first list, which the operator has given."""
        self.base_paths.give(configs)
        self.house.start(*configs)

    def load(self, name: str, timeout: float | None = TIMEOUT_SECONDS, **more: object) -> str:
        """The note of a load."""
        anywhere = bool(more.pop("anywhere", False))
        request = LoadRequest(name=name, **more)  # type: ignore[arg-type]
        return self.models.load(request, timeout, never, anywhere=anywhere).note

    def unload(self, name: str) -> str:
        """The note of an unload."""
        return self.models.unload(name, TIMEOUT_SECONDS, never).note

    def refusal(self, name: str, timeout: float | None = TIMEOUT_SECONDS, **more: object) -> tuple[Code, str]:
        """Code and text with which a load ends."""
        with pytest.raises(ServingError) as raised:
            self.load(name, timeout, **more)
        return raised.value.code, raised.value.message

    def available(self, name: str) -> tuple[int, ...]:
        """The versions that answer."""
        return self.house.manager.serving.available(name)
