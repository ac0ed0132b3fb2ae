"""The pages in docs/ and beside the source: flags, headings and links. docs/compatibility.md has a file of its own."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest

from serving.settings import FLAGS, Flag
from tests.support.pages import DOCS, FLAG, PAGES, ROOT, headings, program, prose

OTHERS_FLAGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "any program": frozenset({"help", "name"}),
        "bazel": frozenset(
            {"color", "config", "copt", "curses", "host_jvm_args", "jobs", "output_user_root", "repo_env"}
            | {"show_progress_rate_limit", "verbose_failures"}
        ),
        "compile-tensorflow.sh": frozenset({"print"}),
        "python -m tests.bench.capacity": frozenset({"load"}),
        "python -m build": frozenset({"tag-prefix", "variant"}),
        "python -m build verify": frozenset({"base", "image", "json", "sbom", "wheel"}),
        "curl": frozenset({"cacert", "data-binary", "fail", "retry", "retry-all-errors", "retry-delay"}),
        "make fuzz": frozenset({"engine", "input", "seed", "target"}),
        "make bench": frozenset({"only", "rounds", "changes", "out", "rest", "grpc", "model", "ours", "baseline"}),
        "docker": frozenset(
            {
                "all-tags",
                "build-arg",
                "driver-opt",
                "entrypoint",
                "gpus",
                "mount",
                "platform",
                "read-only",
                "rm",
                "time",
            }
            | {"tmpfs", "user"}
        ),
        "docker compose": frozenset({"profile"}),
        "kubectl": frozenset({"force-conflicts", "raw", "server-side"}),
        "pip": frozenset({"no-deps", "only-binary", "platform", "python-version"}),
        "serving-client": frozenset(
            {"api-key", "batch", "ca", "cast", "cert", "concurrency", "input", "json", "key-file", "label", "output"}
            | {"pixels", "protocol", "requests", "rest", "seconds", "server", "signature", "timeout", "tls", "version"}
            | {"cores", "data", "measured", "network", "p99", "rate", "spare", "url", "utilisation"}
        ),
        "uv": frozenset({"generate-hashes", "require-hashes", "universal"}),
        "openapi-python-client": frozenset({"output-path", "path"}),
        "saved_model_cli": frozenset({"dir", "tag_set", "signature_def", "all"}),
        "tritonserver": frozenset({"backend-config", "model-control-mode", "model-repository", "repository-poll-secs"}),
        "OpenVINO Model Server": frozenset(
            {"batch_size", "cache_dir", "config_path", "cpu_extension", "layout", "metrics_enable", "model_path"}
            | {"nireq", "plugin_config", "rest_port", "shape", "stateful", "target_device"}
        ),
        "examples/digits": frozenset({"concurrency", "model_version", "num_tests", "server", "training_iteration"}),
        "examples/keras_mlp": frozenset({"keras_file", "model_version", "server"}),
        "examples/operations": frozenset(
            {"base_path", "ca", "certificate", "compare", "key", "offset", "out", "prefix", "records", "save", "server"}
            | {"slope"}
        ),
        "examples/resnet": frozenset({"image", "requests", "server", "weights"}),
        "examples/segmentation": frozenset({"evaluate", "image", "overlay", "server", "synthetic"}),
        "examples/session_bundle": frozenset(
            {"allow_missing_assets", "model_version", "saved_model", "server", "session_bundle"}
        ),
    }
)
"""Flags of other programs that a page may name."""
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchor(heading: str) -> str:
    """The fragment by which a heading is linked to."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken_links(page: Path) -> Iterator[str]:
    """The relative links of a page that lead to no file, or to no heading of one."""
    for target in _LINK.findall(prose(page.read_text())):
        path, _, fragment = target.partition("#")
        file = page.parent / path if path else page
        if "://" in target:
            continue
        if not file.exists() or (fragment and fragment not in map(anchor, headings(file.read_text()))):
            yield target


def unknown_flags(text: str, flags: Iterable[str]) -> set[str]:
    """Names after two dashes in a text that are neither flags of ours nor allowed of others."""
    return set(FLAG.findall(text)).difference(flags, *OTHERS_FLAGS.values())


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """docs/generate_flags.py as a module; docs/ is no package."""
    return program("generate_flags")


def test_flags_page_is_as_generated(generator: ModuleType) -> None:
    """docs/flags.md is what docs/generate_flags.py makes of the table; run it after changing a flag."""
    assert (DOCS / "flags.md").read_text() == generator.page(FLAGS)


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_flags_page_has_every_flag(flag: Flag) -> None:
    """Each flag has exactly one row, with its type, its help and its note."""
    rows = [line for line in (DOCS / "flags.md").read_text().splitlines() if line.startswith(f"| `--{flag.name}` |")]
    assert [(flag.kind in row, flag.help in row, flag.note in row) for row in rows] == [(True, True, True)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({"default": ""}, '| `--f` | string | `""` | What. | TFS |  |', id="string"),
        pytest.param({"kind": "bool", "default": True}, "| `--f` | bool | true | What. | TFS |  |", id="bool"),
        pytest.param({"kind": "int32", "default": 5}, "| `--f` | int32 | 5 | What. | TFS |  |", id="number"),
        pytest.param({"per_cpu": 4}, "| `--f` | string | 4 times the CPUs | What. | TFS |  |", id="per CPU"),
        pytest.param({"per_cpu": 1}, "| `--f` | string | the CPUs | What. | TFS |  |", id="one per CPU"),
        pytest.param({"ours": True}, '| `--f` | string | `""` | What. | ours |  |', id="ours"),
        pytest.param({"note": "a|b"}, '| `--f` | string | `""` | What. | TFS | a\\|b |', id="note with a bar"),
    ],
)
def test_rows_of_flags(generator: ModuleType, more: dict[str, object], expected: str) -> None:
    """A flag becomes one row of the table."""
    flag = Flag(**{"name": "f", "kind": "string", "default": "", "group": "G", "help": "What.", **more})  # type: ignore[arg-type]
    assert generator.page([flag]).splitlines()[-1] == expected


def test_groups_of_flags_come_once(generator: ModuleType) -> None:
    """Flags of a group that lie apart in the table share one heading."""
    flags = [Flag(name=name, kind="bool", default=False, group=group, help="") for name, group in ("aG", "bH", "cG")]
    assert headings(generator.page(flags))[1:] == ["G", "H"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link leads to a file and, with a fragment, to a heading in it."""
    assert list(broken_links(page)) == []


@pytest.mark.parametrize(
    ("link", "broken"),
    [
        pytest.param("[a](other.md)", False, id="file"),
        pytest.param("[a](none.md)", True, id="no file"),
        pytest.param("[a](other.md#what-is-it-c1)", False, id="heading"),
        pytest.param("[a](other.md#c1)", True, id="no heading"),
        pytest.param("[a](#here)", False, id="own heading"),
        pytest.param("[a](#there)", True, id="no own heading"),
        pytest.param("[a](https://example.org/x)", False, id="elsewhere"),
    ],
)
def test_broken_links_are_found(tmp_path: Path, link: str, broken: bool) -> None:
    """A link is reported exactly if it leads nowhere; comments in fenced blocks are no headings."""
    (tmp_path / "other.md").write_text("# What is it? (C1)\n")
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n```sh\n# there\n```\n\n{link}\n")
    assert bool(list(broken_links(page))) is broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_flags_that_exist(page: Path) -> None:
    """Each ``--name`` on a page is a flag of the server, or one of the listed flags of other programs."""
    assert unknown_flags(page.read_text(), [flag.name for flag in FLAGS]) == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("`--port=0`", set(), id="ours"),
        pytest.param("docker run --rm", set(), id="docker's"),
        pytest.param("`--prot`", {"prot"}, id="misspelt"),
        pytest.param("| --- | a--b |", set(), id="dashes"),
    ],
)
def test_unknown_flags_are_found(text: str, expected: set[str]) -> None:
    """Only what looks like a flag and is none is reported."""
    assert unknown_flags(text, ["port"]) == expected


def test_decisions_have_the_status_of_their_pages() -> None:
    """The index of the decisions says of each what its page says."""
    rows = re.findall(r"^\| \[\d+\. [^]]+\]\(([^)]+)\) \| (.+) \|$", (DOCS / "adr/README.md").read_text(), re.MULTILINE)
    found = {name: re.findall(r"^Status: (.+)$", (DOCS / "adr" / name).read_text(), re.MULTILINE) for name, _ in rows}
    assert set(found) == {page.name for page in (DOCS / "adr").glob("[0-9]*.md")}
    assert {name: [status] for name, status in rows} == found
