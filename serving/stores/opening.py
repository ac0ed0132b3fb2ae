"""Which store an address is in, and whether what it needs is installed; no backend is imported before it is used."""

from importlib.util import find_spec

from serving.core.store_url import StoreUrl
from serving.errors import Code
from serving.stores.values import Store, StoreError

_BACKENDS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}


def missing(url: StoreUrl) -> str:
    """What has to be installed for this address, in a sentence; nothing if it is there."""
    backend = _BACKENDS.get(url.scheme, "")
    if not backend or find_spec(backend) is not None:
        return ""
    return (
        f"{url.scheme}:// needs the package {backend}, which is not installed: take the image "
        "tensorflow-serving-appliance:cpu-stores (make image EXTRAS=stores), or "
        "pip install 'tensorflow-serving-appliance[stores]'"
    )


def open_store(url: StoreUrl, seconds: float) -> Store:
    """The store of an address, which may take ``seconds`` for an answer. May block; raises StoreError."""
    lacking = missing(url)
    if lacking:
        raise StoreError(lacking, Code.FAILED_PRECONDITION)
    if url.web:
        from serving.stores.web import WebArchive

        return WebArchive(url, seconds)
    from serving.stores.objects import ObjectStore

    return ObjectStore(url, seconds)
