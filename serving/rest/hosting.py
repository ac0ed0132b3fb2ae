"""Which APIs of hosting platforms there are beside those of routes.py: none of them is imported unless it is on."""

from collections.abc import Callable, Sequence

from serving.inference.service import Service
from serving.rest.endpoint import RestApi
from serving.settings import Settings


def hosted(
    service: Service, settings: Settings, ready: Callable[[], bool], models: Callable[[], Sequence[str]]
) -> Sequence[RestApi]:
    """The APIs of the platforms that we are on; ``ready`` answers their probes, ``models`` gives the names of all.

    Raises ConfigurationError.
    """
    found: list[RestApi] = []
    if settings.vertex_ai_predict_route or settings.vertex_ai_health_route:
        from serving.rest.api.vertex_ai import VertexAiApi  # who is not there does without

        found.append(VertexAiApi(service, settings, ready, models))
    if settings.sagemaker:
        from serving.rest.api.sagemaker import SageMakerApi

        found.append(sagemaker := SageMakerApi(service, settings, ready, models))
        if settings.sagemaker_multi_model:
            from serving.rest.api.sagemaker_models import SageMakerModelsApi

            found.append(SageMakerModelsApi(service, sagemaker))
    return found
