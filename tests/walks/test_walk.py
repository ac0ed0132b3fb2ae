"""The walk itself: it runs what a page says, in order, and fails when a command does."""

import json
from pathlib import Path

import pytest

from tests.walks.walk import KEPT, Walk

PAGE = """# A page

```sh
mkdir -p models && cp -r {models}/half_plus_two models
echo 'before the server: 8501'
```

```sh
tensorflow_model_server --port=8500 --rest_api_port=8501 \\
    --model_name=half --model_base_path="$PWD/models/half_plus_two"
```

```text
this is no command
```

```sh
curl -s -d '{{"instances": [1.0]}}' http://localhost:8501/v1/models/half:predict
```

```sh
docker run --no-such-flag
```

```sh
MODEL_NAME=a make none-such
```

```sh
cat examples/a/README.md | head -1
```
"""


def example(tmp_path: Path, page: str) -> Walk:
    """A walk through one page."""
    (tmp_path / "examples" / "a").mkdir(parents=True)
    (tmp_path / "examples" / "a" / "README.md").write_text(page)
    return Walk("a", tmp_path / "scratch", examples=tmp_path / "examples")


def test_blocks_run_in_order(tmp_path: Path, models: Path) -> None:
    """Commands reach the server that the page started, see the example's files, and docker and make are left out."""
    with example(tmp_path, PAGE.format(models=models)) as walk:
        walk.run()
        assert len(walk.ran) == 3
        assert walk.output("before the server") == "before the server: 8501\n"
        assert list(json.loads(walk.output("curl"))) == ["predictions"]
        assert walk.output("cat") == "# A page\n"


def test_servers_end_with_the_walk(tmp_path: Path, models: Path) -> None:
    """The server of the page is drained at the end."""
    with example(tmp_path, PAGE.format(models=models)) as walk:
        walk.run()
        server = walk.server
    assert server.process.returncode == 0


@pytest.mark.parametrize("command", ["false", "false | cat", "echo $NO_SUCH_VARIABLE", "false; true"])
def test_failing_commands_fail_the_walk(tmp_path: Path, command: str) -> None:
    """A status other than 0 anywhere in a block is an error that shows the block."""
    with (
        example(tmp_path, f"```sh\n{command}\n```\n") as walk,
        pytest.raises(AssertionError, match=r"(?s)status 1:.*" + command[:4]),
    ):
        walk.run()


def test_output_of_an_unknown_block(tmp_path: Path) -> None:
    """Words that no block has, or two, are a mistake of the test."""
    with example(tmp_path, "```sh\necho a\n```\n\n```sh\necho a\n```\n") as walk:
        walk.run()
        with pytest.raises(AssertionError, match="2 blocks have 'echo'"):
            walk.output("echo")


def test_kept_walks_are_not_walked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second walk has what the first one left and printed, and runs nothing."""
    monkeypatch.setenv(KEPT, str(tmp_path / "kept"))
    with example(tmp_path, "```sh\ndate +%N | tee left\necho at $PWD >models.config\n```\n") as first:
        first.run_before()
    with Walk("a", tmp_path / "again", examples=tmp_path / "examples") as second:
        second.run_before()
    assert second.ran == first.ran
    assert (second.directory / "left").read_text() == first.output("date")
    assert (second.directory / "models.config").read_text() == f"at {second.directory}\n"


def test_walks_are_kept_where_asked_for_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place for them each walk is walked."""
    monkeypatch.delenv(KEPT, raising=False)
    with example(tmp_path, "```sh\ndate +%N\n```\n") as first:
        first.run_before()
    with Walk("a", tmp_path / "again", examples=tmp_path / "examples") as second:
        second.run_before()
    assert second.ran != first.ran
