"""How many examples the properties try: a quarter by default, all of them in CI and ``make test-all``."""

from collections.abc import Mapping

from hypothesis import HealthCheck, settings

PROFILE = "TEST_PROFILE"
"""The environment variable that names the profile; without it CI has the large one."""

SMALL, LARGE = "small", "large"
EXAMPLES = {SMALL: 25, LARGE: 100}


def load_profile(environment: Mapping[str, str]) -> None:
    """Make the profile the default. KeyError if ``TEST_PROFILE`` is none of the two."""
    for name, count in EXAMPLES.items():
        # On a busy machine an example may take any time; whether it is right does not depend on that.
        settings.register_profile(name, max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile(environment.get(PROFILE) or (LARGE if environment.get("CI") else SMALL))


def examples(count: int) -> settings:
    """For a property that is to be tried ``count`` times in the large profile."""
    return settings(max_examples=max(1, count * settings().max_examples // EXAMPLES[LARGE]))
