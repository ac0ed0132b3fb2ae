"""Where versions are, for who describes them: inputs for their signatures are made up by what their graphs take."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

from serving.core.servable import Servable, ServableId
from serving.core.signature import Signature
from serving.core.tensor import Tensor

_MOST_KEPT = 4096


class MadeUpInputs:
    """Knows the directories of versions by being a stage of their loading; ``tags`` are those of their graphs."""

    def __init__(self, tags: tuple[str, ...]) -> None:
        self._tags = tags
        self._paths: OrderedDict[ServableId, Path] = OrderedDict()  # of the last: versions come and go for months

    def note(self, servable: Servable, servable_id: ServableId, path: Path) -> Servable:
        """A stage for ``Loaders``: the servable stays what it is."""
        self._paths[servable_id] = path
        self._paths.move_to_end(servable_id)
        if len(self._paths) > _MOST_KEPT:
            self._paths.popitem(last=False)
        return servable

    def __call__(
        self, servable_id: ServableId, signatures: Mapping[str, Signature]
    ) -> Mapping[str, Iterator[list[Tensor]]]:
        """As ``optimizing.made_up_inputs``; nothing for a version that was never loaded. May take long."""
        from serving.optimizing.made_up_inputs import made_up_inputs  # who asks for no document does without

        path = self._paths.get(servable_id)
        return {} if path is None else made_up_inputs(path, self._tags, signatures)
