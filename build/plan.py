"""What is to be done, as printable frozen steps. Pure: knows no engine, no file and no clock; execution is elsewhere.

Equal inputs give equal steps and equal tags, whatever the order in which the inputs come.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from build.steps import (
    CACHE,
    CACHE_LABEL,
    LABEL,
    TOOLCHAIN_STAGE,
    WHEELS,
    BuildImage,
    CompileWheel,
    Pairs,
    Step,
    VerifyImage,
)
from build.variants import Variant

# Clang takes up to about this much on the largest of TensorFlow's files, by the reports of those whose compile was
# killed; not measured here. Bazel's own server and the system come first.
BYTES_PER_JOB = 2_500_000_000
RESERVED_BYTES = 2_000_000_000

_DIGEST_LETTERS = 12


class Goal(Enum):
    """How far to go; each includes what it needs."""

    DEVEL = "devel"
    WHEEL = "wheel"
    RUNTIME = "runtime"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user chose.

    ``tensorflow`` is a version in place of the pinned one. ``jobs`` and ``memory_bytes`` are None for as many, as much,
    as the engine allows. ``prove`` says whether the compile ends with importing the wheel and multiplying two matrices.
    ``output`` is a directory. ``arguments`` are more build arguments for both Dockerfiles, such as a mirror's address;
    they change tags and not the cache. The texts at the end are upstream's build arguments, empty for the script's
    defaults, and the commit to note in the runtime image, with its date. ``tag_prefix`` is a repository, such as
    ``registry.example/serving``, that gets tags for people, none if empty.
    """

    name: str = "tensorflow-serving-appliance"
    tag_prefix: str = ""
    tensorflow: str = ""
    base_image: str = ""
    network: str = ""
    output: str = "dist"
    jobs: int | None = None
    memory_bytes: int | None = None
    prove: bool = True
    arguments: Pairs = ()
    build_options: str = ""
    bazel_options: str = ""
    git_branch: str = ""
    git_commit: str = ""
    revision: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the images are made of beside the options: file digests by path, and facts by name.

    ``cpu`` names this machine's CPU; it counts only for variants that depend on it.
    """

    tensorflow: str
    server: str
    devel_files: Mapping[str, str] = field(default_factory=dict)
    runtime_files: Mapping[str, str] = field(default_factory=dict)
    cpu: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the results are called: images with tags, the cache volume, and the directory of the wheel."""

    devel: str
    cache_volume: str
    wheel: str
    wheels_image: str
    runtime: str
    runtime_alias: str
    devel_tags: tuple[str, ...] = ()
    runtime_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps for one variant, in order, what was chosen, and the names of what they make."""

    variant: Variant
    goal: Goal
    options: Options
    names: Names
    steps: tuple[Step, ...]


def digest(inputs: Mapping[str, str]) -> str:
    """Twelve letters that are equal for equal inputs, whatever their order, and otherwise differ."""
    content = hashlib.sha256()
    for name, value in sorted(inputs.items()):
        # With its length in front no text can be mistaken for the end of one and the beginning of the next.
        for text in (name.encode(), value.encode()):
            content.update(b"%d:" % len(text) + text)
    return content.hexdigest()[:_DIGEST_LETTERS]


def jobs_that_fit(memory_bytes: int, cpus: int) -> int:
    """How many compilers may run at once; 0 when not even one has the memory it may need."""
    return max(0, min(cpus, (memory_bytes - RESERVED_BYTES) // BYTES_PER_JOB))


def names(variant: Variant, options: Options, inputs: Inputs) -> Names:
    """What the results are called.

    Bazel itself knows what of its cache still holds, file by file and option by option. So a cache volume goes by the
    source, the base and the target alone: other options, fewer jobs or a newer script resume from the same one.
    """
    version = options.tensorflow or inputs.tensorflow
    source = {"base": options.base_image, "tensorflow": version}
    source |= {"branch": options.git_branch, "commit": options.git_commit}
    given = {f"argument:{name}": value for name, value in options.arguments}
    devel = source | given | {f"file:{path}": value for path, value in inputs.devel_files.items()}
    machine = inputs.cpu if variant.depends_on_this_cpu else ""
    target = {"variant": variant.name, "target": variant.cpu_target, "machine": machine}
    target |= {"capabilities": ",".join(variant.cuda_compute_capabilities)}
    cache = digest(source | target)
    compiled = devel | target | {"options": options.build_options, "bazel": options.bazel_options}
    wheel = f"{version}-{variant.name}-{digest(compiled)}"
    runtime = given | {f"file:{path}": value for path, value in inputs.runtime_files.items()}
    runtime |= {"base": options.base_image, "variant": variant.name, "revision": options.revision}
    runtime |= {"created": options.created} if options.created else {}
    runtime |= {"wheel": wheel if variant.compiled else ""}
    return Names(
        devel=f"{options.name}-devel:{version}-{digest(devel)}",
        cache_volume=f"{options.name}-cache-{version}-{variant.name}-{cache}",
        wheel=wheel,
        wheels_image=f"{options.name}-wheels:{wheel}",
        runtime=f"{options.name}:{inputs.server}-{variant.name}-{digest(runtime)}",
        runtime_alias=f"{options.name}:{variant.name}",
        devel_tags=_tags(options, inputs, "devel", "gpu" if variant.gpu else ""),
        runtime_tags=_tags(options, inputs, "" if variant.name == "cpu" else variant.name),
    )


def _tags(options: Options, inputs: Inputs, *parts: str) -> tuple[str, ...]:
    # As upstream's: latest, latest-gpu, latest-devel, latest-devel-gpu, and the same with the version. They move.
    if not options.tag_prefix:
        return ()
    suffix = "".join(f"-{part}" for part in parts if part)
    return tuple(f"{options.tag_prefix}:{which}{suffix}" for which in ("latest", inputs.server))


def make_plan(goal: Goal, variant: Variant, options: Options, inputs: Inputs) -> Plan:
    """The steps to ``goal``. A variant that compiles nothing has none before the runtime image."""
    named = names(variant, options, inputs)
    devel = _devel_step(options, inputs, named)
    wheel = _wheel_step(variant, options, inputs, named)
    wheels_image = _wheels_image_step(options, named)
    runtime = _runtime_step(variant, options, named)
    verify = VerifyImage(summary="look at what is in it", image=named.runtime, base_image=options.base_image)
    compiling: dict[Goal, tuple[Step, ...]] = {
        Goal.DEVEL: (devel,),
        Goal.WHEEL: (devel, wheel),
        Goal.RUNTIME: (wheels_image, runtime),
        Goal.ALL: (devel, wheel, wheels_image, runtime, verify),
    }
    portable: dict[Goal, tuple[Step, ...]] = {
        Goal.DEVEL: (),
        Goal.WHEEL: (),
        Goal.RUNTIME: (runtime,),
        Goal.ALL: (runtime, verify),
    }
    steps = (compiling if variant.compiled else portable)[goal]
    return Plan(variant=variant, goal=goal, options=options, names=named, steps=steps)


def _pairs(values: Mapping[str, str]) -> Pairs:
    return tuple((name, value) for name, value in sorted(values.items()) if value)


def _log(options: Options, step: str, tag: str) -> str:
    return f"{options.output}/logs/{step}-{tag.rpartition(':')[2]}.log"


def _devel_step(options: Options, inputs: Inputs, named: Names) -> BuildImage:
    version = options.tensorflow or inputs.tensorflow
    # The Dockerfile's own commit is that of its own version.
    unpinned = (("TENSORFLOW_COMMIT", ""),) if version != inputs.tensorflow else ()
    arguments = {
        "BASE_IMAGE": options.base_image,
        "TENSORFLOW_VERSION": version,
        "TF_SERVING_VERSION_GIT_BRANCH": options.git_branch,
        "TF_SERVING_VERSION_GIT_COMMIT": options.git_commit,
    }
    return BuildImage(
        summary=f"the image that compiles TensorFlow {version}: compiler, Bazel, source",
        images=(named.devel, *named.devel_tags),
        dockerfile="Dockerfile.devel",
        target=TOOLCHAIN_STAGE,
        arguments=_pairs(arguments) + unpinned + options.arguments,
        labels=_pairs({LABEL: "devel"}),
        network=options.network,
        log=_log(options, "devel", named.devel),
    )


def _wheel_step(variant: Variant, options: Options, inputs: Inputs, named: Names) -> CompileWheel:
    environment = {
        "CACHE": CACHE,
        "CPU_TARGET": variant.cpu_target,
        "CUDA": "1" if variant.cuda else "0",
        "CUDA_COMPUTE_CAPABILITIES": ",".join(variant.cuda_compute_capabilities),
        "OUTPUT": WHEELS,
        "PROVE": "1" if options.prove else "0",
        "TENSORFLOW_VERSION": options.tensorflow or inputs.tensorflow,
        "TF_SERVING_BAZEL_OPTIONS": options.bazel_options,
        "TF_SERVING_BUILD_OPTIONS": options.build_options,
    }
    return CompileWheel(
        summary=f"compile TensorFlow for {variant.cpu_target}: hours; what is compiled stays in the cache volume",
        image=named.devel,
        cache_volume=named.cache_volume,
        environment=_pairs(environment),
        labels=_pairs({LABEL: "compile", CACHE_LABEL: named.cache_volume}),
        jobs=options.jobs,
        memory_bytes=options.memory_bytes,
        network=options.network,
        output=f"{options.output}/wheels/{named.wheel}",
        log=_log(options, "wheel", named.wheel),
        tensorflow=options.tensorflow or inputs.tensorflow,
        cpu_target=variant.cpu_target,
    )


def _wheels_image_step(options: Options, named: Names) -> BuildImage:
    return BuildImage(
        summary="an image that carries the wheel, for the runtime image to take it from",
        images=(named.wheels_image,),
        dockerfile="build/images/wheels.Dockerfile",
        context=f"{options.output}/wheels/{named.wheel}",
        labels=_pairs({LABEL: "wheels"}),
        network=options.network,
        log=_log(options, "wheels-image", named.wheels_image),
    )


def _runtime_step(variant: Variant, options: Options, named: Names) -> BuildImage:
    arguments = {
        "BASE_IMAGE": options.base_image,
        "CREATED": options.created,
        "REVISION": options.revision,
        "TF_SERVING_BUILD_IMAGE": named.wheels_image if variant.compiled else "",
        "VARIANT": variant.name,
    }
    return BuildImage(
        summary=f"the runtime image: {variant.summary}",
        images=(named.runtime, named.runtime_alias, *named.runtime_tags),
        dockerfile="Dockerfile",
        arguments=_pairs(arguments) + options.arguments,
        labels=_pairs({LABEL: "runtime"}),
        network=options.network,
        log=_log(options, "runtime", named.runtime),
    )
