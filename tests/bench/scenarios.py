"""The scenarios as data: who is measured, under which loads, who is set against whom, and the targets.

How they are run is in duel.py; what happens over a server's life (start, memory, loading) is in life.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.bench.asking import Address, Question
from tests.bench.payloads import Form
from tests.bench.results import Figure, Key, Quantity, Target
from tests.bench.servers import Program, serving

OTHER = "other server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One that is measured: a program of ours to start, a server that already runs, or else a model without a server.

    ``alone`` is the module of the baselines that calls the model then.
    """

    name: str
    question: Question
    program: Program | None = None
    address: Address | None = None
    alone: str = "model_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two contenders set against each other, by name, at ``levels``; the baseline may be at a level of its own."""

    ours: str
    baseline: str = ""
    quantity: Quantity = Quantity.THROUGHPUT
    figure: Figure = Figure.RATIO
    target: Target | None = None
    levels: tuple[int, ...] = ()
    baseline_level: int = 0

    def needs(self, levels: tuple[int, ...]) -> set[Key]:
        """What must be measured for it; ``levels`` are the scenario's."""
        own = self.levels or levels
        return {(self.ours, level) for level in own} | {(self.baseline, self.baseline_level or level) for level in own}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A table of loads: contenders take turns at each level of concurrency at which they are compared.

    ``unit`` names a level. ``exact`` is for few, long calls: the time of each is looked at, and none warms up.
    """

    name: str
    title: str
    unit: str
    levels: tuple[int, ...]
    contenders: tuple[Contender, ...]
    comparisons: tuple[Comparison, ...]
    preparation_seconds: float = 10.0
    one_core: bool = True
    exact: bool = False

    def compared(self, contender: Contender, level: int) -> bool:
        """Whether a comparison needs ``contender`` at ``level``."""
        return any((contender.name, level) in each.needs(self.levels) for each in self.comparisons)


def rest() -> Scenario:
    """half_plus_two over REST on one core."""
    question = Question(model="half_plus_two", form=Form.JSON)

    def baseline(name: str, module: str) -> Contender:
        return Contender(name=name, question=question, program=_baseline(name, module, "{rest}"))

    def ours(name: str, *flags: str) -> Contender:
        return Contender(name=name, question=question, program=_ours(name, "half_plus_two", *flags))

    return Scenario(
        name="rest",
        title="half_plus_two over REST, one core",
        unit="connections",
        levels=(1, 16, 64),
        contenders=(
            baseline("bare httptools loop", "rest_lane"),
            ours("lane"),
            baseline("bare aiohttp loop", "rest_aiohttp"),
            ours("aiohttp road", "--rest_small_request_lane=false"),
            baseline("Flask", "flask_app"),
            baseline("FastAPI", "fastapi_app"),
        ),
        comparisons=(
            Comparison(ours="lane", baseline="bare httptools loop", target=Target(bound=0.75)),
            Comparison(ours="aiohttp road", baseline="bare aiohttp loop", target=Target(bound=0.9)),
            Comparison(ours="lane", baseline="Flask"),
            Comparison(ours="lane", baseline="FastAPI"),
        ),
    )


def grpc() -> Scenario:
    """half_plus_two over gRPC on one core."""
    question = Question(model="half_plus_two", form=Form.GRPC)

    def baseline(name: str, module: str) -> Contender:
        return Contender(name=name, question=question, program=_baseline(name, module, "{grpc}"))

    def ours(name: str) -> Contender:
        program = _ours(name, "half_plus_two", f"--grpc_transport={name}")
        return Contender(name=name, question=question, program=program)

    return Scenario(
        name="grpc",
        title="half_plus_two over gRPC, one core",
        unit="in flight",
        levels=(1, 8, 32),
        contenders=(
            baseline("bare native loop", "grpc_native"),
            ours("native"),
            baseline("bare grpcio loop", "grpc_grpcio"),
            ours("grpcio"),
        ),
        comparisons=(
            Comparison(ours="native", baseline="bare native loop", target=Target(bound=0.8)),
            Comparison(ours="grpcio", baseline="bare grpcio loop", target=Target(bound=0.9)),
        ),
    )


def batching() -> Scenario:
    """A small network over gRPC on one core, with batching and without."""
    question = Question(model="mlp", form=Form.GRPC)

    def ours(name: str, *flags: str) -> Contender:
        program = _ours(name, "mlp", "--grpc_transport=native", *flags)
        return Contender(name=name, question=question, program=program)

    on = ("--enable_batching", "--batching_parameters_file={batching}")
    return Scenario(
        name="batching",
        title="MLP 784-256-10 over gRPC, one core",
        unit="in flight",
        levels=(1, 64),
        contenders=(ours("batching off"), ours("batching on", *on)),
        comparisons=(
            Comparison(ours="batching on", baseline="batching off", target=Target(bound=0.95), levels=(1,)),
            Comparison(ours="batching on", baseline="batching off", target=Target(bound=2.0), levels=(64,)),
        ),
    )


OPTIMIZE_LEVELS = ("off", "safe", "fast")
OVERHEADS = {Form.GRPC: 1.0, Form.JSON: 5.0, Form.NPY: 1.0}
"""How many milliseconds a ResNet-50 call may take over the model's own time, by form."""

_FORMS = {Form.GRPC: "gRPC", Form.JSON: "JSON", Form.NPY: "npy"}


def resnet() -> Scenario:
    """ResNet-50 on all cores: what the doors add to the model, and what optimisation takes off it."""
    contenders = [Contender(name="bare engine", question=Question(model="resnet", form=Form.GRPC))]
    comparisons = []
    for level in OPTIMIZE_LEVELS:
        flags = (f"--optimize={level}", "--grpc_transport=native", "--monitoring_config_file={monitoring}")
        program = _ours(level, "resnet", *flags, one_core=False)
        for form in OVERHEADS if level != "safe" else [Form.GRPC]:
            name = f"{level}, {_FORMS[form]}"
            contenders.append(Contender(name=name, question=Question(model="resnet", form=form), program=program))
            comparisons += _overheads(name, form, plain=level == "off")
    faster = Comparison(ours="safe, gRPC", baseline="off, gRPC", quantity=Quantity.P50, levels=(1,))
    question = Question(model="resnet", form=Form.JSON)
    for name, module in (("Flask", "flask_app"), ("FastAPI", "fastapi_app")):
        program = _baseline(name, module, "{rest}", one_core=False)
        contenders.append(Contender(name=name, question=question, program=program))
    comparisons += [
        replace(faster, target=Target(bound=0.85, at_least=False)),
        replace(faster, ours="fast, gRPC"),
        replace(faster, ours="off, JSON", baseline="Flask"),
        replace(faster, ours="off, JSON", baseline="FastAPI"),
        Comparison(ours="safe, gRPC", baseline="bare engine", levels=(4,), baseline_level=1),
        Comparison(ours="safe, gRPC", figure=Figure.VALUE, target=Target(bound=25.0), levels=(4,)),
        Comparison(ours="fast, gRPC", figure=Figure.VALUE, levels=(4,)),
    ]
    return Scenario(
        name="resnet",
        title="ResNet-50, one image, all cores",
        unit="clients",
        levels=(1, 4),
        contenders=tuple(contenders),
        comparisons=tuple(comparisons),
        preparation_seconds=45.0,
        one_core=False,
        exact=True,
    )


def _overheads(name: str, form: Form, *, plain: bool) -> list[Comparison]:
    target = Target(bound=OVERHEADS[form], at_least=False)
    own = Comparison(ours=name, quantity=Quantity.OVERHEAD, figure=Figure.VALUE, target=target, levels=(1,))
    if not plain:
        return [own]
    bare = Comparison(ours=name, baseline="bare engine", quantity=Quantity.P50, figure=Figure.DIFFERENCE, levels=(1,))
    return [replace(bare, target=target), own]


OURS = "this server"
"""How the names of ours begin where the others are not servers of our kind."""


def frameworks() -> Scenario:
    """MobileNetV2 as one meets it first: in a script, behind a web framework, behind this server."""
    json, over_grpc = (Question(model="mobilenetv2", form=form) for form in (Form.JSON, Form.GRPC))
    program = _ours("ours", "mobilenetv2", "--grpc_transport=native", one_core=False)
    script = "TensorFlow in a script"

    def framework(name: str, module: str) -> Contender:
        program = _baseline(name, module, "{rest}", one_core=False)
        return Contender(name=name, question=json, program=program)

    against = Comparison(ours=f"{OURS}, JSON", quantity=Quantity.P50, levels=(1,))
    return Scenario(
        name="frameworks",
        title="MobileNetV2, one image at a time",
        unit="clients",
        levels=(1,),
        contenders=(
            Contender(name=f"{OURS}, gRPC", question=over_grpc, program=program),
            Contender(name=f"{OURS}, JSON", question=json, program=program),
            Contender(name=script, question=over_grpc, alone="script_time"),
            framework("FastAPI", "fastapi_app"),
            framework("Flask", "flask_app"),
        ),
        comparisons=(
            replace(against, ours=f"{OURS}, gRPC", baseline=script),
            replace(against, baseline=script),
            replace(against, baseline="FastAPI"),
            replace(against, baseline="Flask"),
        ),
        preparation_seconds=40.0,
        one_core=False,
        exact=True,
    )


TABLES: dict[str, Callable[[], Scenario]] = {
    "rest": rest,
    "grpc": grpc,
    "batching": batching,
    "resnet": resnet,
    "frameworks": frameworks,
}
"""Every scenario of this kind by its name, in the order of the run."""


def beside(scenario: Scenario, address: Address, served_as: str) -> Scenario:
    """The scenario with a server that already runs as one more contender, where it has the doors for it."""
    found = {"rest": ("lane", Form.JSON), "grpc": ("native", Form.GRPC), "resnet": ("off, gRPC", Form.GRPC)}
    if scenario.name not in found:
        return scenario
    ours, form = found[scenario.name]
    if not (address.grpc if form is Form.GRPC else address.rest):
        return scenario
    model = scenario.contenders[0].question.model
    name = served_as if model == "half_plus_two" else model
    other = Contender(name=OTHER, question=Question(model=model, form=form, served_as=name), address=address)
    quantity = Quantity.P50 if model == "resnet" else Quantity.THROUGHPUT
    return replace(
        scenario,
        contenders=(*scenario.contenders, other),
        comparisons=(*scenario.comparisons, Comparison(ours=ours, baseline=OTHER, quantity=quantity)),
    )


def _ours(name: str, model: str, *flags: str, one_core: bool = True) -> Program:
    return serving(name, f"--model_name={model}", "--model_base_path={base}", *flags, one_core=one_core)


def _baseline(name: str, module: str, port: str, one_core: bool = True) -> Program:
    arguments = (f"tests.bench.baselines.{module}", "{version}", port)
    return Program(name=name, arguments=arguments, one_core=one_core)
