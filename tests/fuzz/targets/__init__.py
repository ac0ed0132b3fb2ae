"""All targets by name; a name begins with the module that has it, so that a worker imports only what it needs."""

from importlib import import_module
from pkgutil import iter_modules

from tests.fuzz.target import Target


def modules() -> list[str]:
    """The modules with targets, but for those that are there for tests of the campaigns."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def of(module: str) -> tuple[Target, ...]:
    """The targets of a module."""
    found: tuple[Target, ...] = import_module(f"{__name__}.{module}").TARGETS
    return found


def every() -> list[Target]:
    """All of them."""
    return [target for module in modules() for target in of(module)]


def named(name: str) -> Target:
    """One target. LookupError if there is none of this name."""
    try:
        found = {target.name: target for target in of(name.partition(".")[0])}
    except ModuleNotFoundError:
        found = {}
    if name not in found:
        raise LookupError(f"no target {name}")
    return found[name]
