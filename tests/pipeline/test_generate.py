import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline import PipelineError, generate, generator, roundtrip, rules, run
from tests.pipeline.described import parsed, with_everything

ROOT = Path(__file__).parents[2]
SAME_MODULE = """\
paths:
  /v2:
    get:
      tags: [General]
      operationId: CreateAccessToken
      responses:
        '204': {description: Nothing.}
"""
TWO_UNREADABLE = "paths:\n" + "".join(
    f"""\
  /v{number}:
    get:
      parameters:
        - {{name: ids, in: query, schema: {{type: string}}}}
        - {{name: 'ids[]', in: query, schema: {{type: string}}}}
      responses:
        '204': {{description: Nothing.}}
"""
    for number in (2, 3)
)
MORE_OPERATIONS = """\
paths:
  /v1/agencies-with-a-long-name/{agencyId}/estates-with-a-long-name/{estate-id}/images/{n}:
    parameters:
      - {name: agencyId, in: path, required: true, schema: {type: string}}
      - {name: estate-id, in: path, required: true, schema: {type: string}}
      - {name: n, in: path, required: true, schema: {type: integer}}
    get:
      tags: [Estates, Images]
      parameters:
        - {name: size, in: query, schema: {type: string, enum: [small, large]}}
      responses:
        '200':
          description: The image.
          content:
            application/json:
              schema:
                type: object
                properties: {url: {type: string, format: uri}}
        '404':
          description: No such image.
          content:
            application/json:
              schema:
                $ref: '#/components/schemas/DefaultHttpException'
    put:
      requestBody:
        content:
          application/json:
            schema: {type: object, properties: {taken: {type: string, format: date-time}}}
      responses:
        '204': {description: Nothing.}
"""


def snapshot(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return every path below *root*, with what shows that it was written anew."""
    return {
        path.relative_to(root).as_posix(): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in root.rglob("*")
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def command(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.generate", "--root", str(root), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_the_outcome_is_the_same_everywhere(scratch: Path, tmp_path: Path) -> None:
    """Two runs write the same bytes: other folder, other hash seed, other ruff settings."""
    other = tmp_path / "elsewhere" / "copy"
    shutil.copytree(scratch, other)
    (tmp_path / "elsewhere" / "ruff.toml").write_text("line-length = 40\nexclude = ['*']\n")
    shutil.rmtree(other / "generated")
    with ThreadPoolExecutor() as pool:
        results = pool.map(
            lambda root, seed: command(root, PYTHONHASHSEED=seed), (scratch, other), ("1", "2")
        )
    for result in results:
        assert (result.returncode, result.stderr) == (0, "")
        assert re.search(
            r"^generated/setle_api is new, and its .* as described; go on with make diff\n\Z",
            result.stdout,
            re.MULTILINE,
        )
    assert contents(scratch / "generated") == contents(other / "generated")
    assert contents(scratch / "generated" / "setle_api") == {
        name: content
        for name, content in contents(ROOT / "generated" / "setle_api").items()
        if "__pycache__" not in name
    }


def test_the_package_is_replaced_whole(scratch: Path) -> None:
    """Files of the package before are gone; every module has the header; it is typed."""
    stale = scratch / "generated" / "setle_api" / "models" / "stale.py"
    stale.touch()
    generate.generate(scratch)
    assert not stale.exists()
    package = scratch / "generated" / "setle_api"
    assert all(
        module.read_text(encoding="utf-8").startswith(generator.HEADER)
        for module in package.rglob("*.py")
    )
    assert (package / "py.typed").is_file()
    assert [path.name for path in (scratch / "generated").iterdir()] == ["setle_api"]


def test_every_operation_gets_its_module(one_endpoint: Path) -> None:
    """Path parameters, methods of one path, several tags or none: all are found."""
    edit(one_endpoint / "openapi.yaml", "paths:\n", MORE_OPERATIONS)
    generate.generate(one_endpoint)
    package = one_endpoint / "generated" / "setle_api"
    modules = [path.relative_to(package).parts[1] for path in package.glob("api/*/[!_]*.py")]
    assert sorted(modules) == ["default", "estates", "general"]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("openapi.yaml", "in: header", "in: hedder", "x-setle-client-id.*'hedder' is not one"),
        ("openapi.yaml", "PublicApiController_requestBearerToken", "create_access_token", "on 1 "),
        ("openapi.yaml", "- message", "- massage", "action 3 .*required.* matches nothing"),
        ("openapi.yaml", "paths:\n", SAME_MODULE, "create_access_token would be that of GET /v2"),
        (
            "openapi.yaml",
            "RequestBearerTokenActionOutputDto",
            "AccessTokenResponse",
            "override Req",
        ),
        ("openapi.overlay.yaml", "overlay: 1.1.0", "overlay: 2.0.0", "overlay: 1.1.0"),
        ("generator-config.yaml", "post_hooks", "post_hoks", "post_hoks: Extra inputs"),
        ("generator-config.yaml", "class_name", "klass", r"OutputDto\.klass: Extra inputs"),
        ("generator-config.yaml", "class_overrides:\n", "class_overrides: [\n", "not YAML"),
        ("generator-config.yaml", "  DefaultHttpE", "  HttpE", "override HttpException matches no"),
        ("generator-config.yaml", '- "ruff check', '- "false', "false failed"),
        ("generator-config.yaml", '- "ruff check', '- "nosuchtool', "nosuchtool is not in PATH"),
        ("pyproject.toml", '"ruff==', '"ruff==9', r"ruff is [\d.]+, pyproject.toml pins 9"),
        ("pyproject.toml", '"openapi-python-client==', '"openapi-python-client==9', "pins 9"),
        ("pyproject.toml", '"ruff==', '"ruff>=', "pins no version"),
        ("pyproject.toml", "[dependency-groups]", "[groups]", "has no dev dependencies"),
        ("pyproject.toml", "[dependency-groups]", "[dependency-groups", "has no dev dependencies"),
    ],
)
def test_a_step_that_fails_leaves_the_tree_alone(
    scratch: Path, file: str, old: str, new: str, message: str
) -> None:
    """Whichever step it is, nothing is written, and the error says what happened."""
    edit(scratch / file, old, new)
    before = snapshot(scratch)
    with pytest.raises(PipelineError, match=message):
        generate.generate(scratch)
    after = snapshot(scratch)
    # The folder itself held the temporary one for a moment.
    del before["generated"], after["generated"]
    assert after == before


def test_a_missing_ruff_is_told(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ruff the generator would write unformatted code, and go on."""
    monkeypatch.setattr(sys, "executable", str(scratch / "python"))
    monkeypatch.setenv("PATH", str(scratch))
    with pytest.raises(PipelineError, match=r"ruff is missing, .*: pin one .* and run make setup"):
        generate.generate(scratch)


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("print('careful', file=sys.stderr)", "careful"),
        ("raise ValueError('odd')", "ValueError: odd"),
    ],
    ids=["warns", "crashes"],
)
def test_whatever_the_generator_says_is_a_failure(scratch: Path, does: str, told: str) -> None:
    """A line on stderr counts, even with status 0; of a crash the traceback is left out."""
    (scratch / "sitecustomize.py").write_text(
        "import openapi_python_client as generator, sys\nbuild = generator.Project.build\n"
        f"def noisy(self):\n    {does}\n    return build(self)\n"
        "generator.Project.build = noisy\n"
    )
    result = command(scratch, PYTHONPATH=str(scratch))
    remedy = "correct the spec in openapi.overlay.yaml, or generator-config.yaml"
    assert result.stderr == f"error: openapi-python-client: {told}; {remedy}\n"


def test_the_generator_is_cut_to_its_causes(one_endpoint: Path) -> None:
    """One line for each, without the data it was reading."""
    edit(one_endpoint / "openapi.yaml", "paths:\n", TWO_UNREADABLE)
    with pytest.raises(PipelineError) as caught:
        generate.generate(one_endpoint)
    assert str(caught.value).splitlines() == [
        f"openapi-python-client: GET /v{number}: Parameters with same Python identifier ids "
        "detected; correct the spec in openapi.overlay.yaml, or generator-config.yaml"
        for number in (2, 3)
    ]


def test_each_rule_is_listed_and_explained(
    one_endpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for what each rule did; with --explain, one for each place besides."""
    line = (
        "query_styles (2 places): An object in a query becomes a parameter for each property, "
        "any other list a string.\n"
    )
    _, outcomes = rules.apply(parsed(with_everything()))
    rules.show(outcomes, explain=False)
    assert line in capsys.readouterr().out
    (one_endpoint / "openapi.yaml").write_text(with_everything(), encoding="utf-8")
    result = command(one_endpoint, "--explain")
    assert result.returncode == 0
    assert (
        f"{line}  POST /v1/things/{{thingId}}, query price is 2 parameters\n"
        "  POST /v1/things/{thingId}, query ids is a string, in the style form without explode\n"
    ) in result.stdout
    assert result.stdout.endswith("its 5 operations do as described; go on with make diff\n")


def test_ctrl_c_leaves_the_tree_alone(scratch: Path) -> None:
    """Interrupted while the generator runs: one line, nothing written, nothing left behind."""
    started = scratch / "started"
    os.mkfifo(started)
    edit(scratch / "generator-config.yaml", '- "ruff check', f'- "echo > {started}; sleep 60; :')
    before = contents(scratch / "generated")
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.generate", "--root", str(scratch)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        started.read_text(encoding="utf-8")
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (130, "error: interrupted\n")
    assert contents(scratch / "generated") == before


@pytest.fixture
def without_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(_: Path, aside: Path) -> generate.Build:
        (aside / "setle_api").mkdir()
        (aside / "setle_api" / "new.py").touch()
        return generate.Build(aside / "setle_api", {}, [])

    monkeypatch.setattr(generate, "build", build)
    monkeypatch.setattr(roundtrip, "check", lambda *_: "nothing was called")


@pytest.mark.usefixtures("without_generator")
def test_what_a_killed_run_left_goes_with_the_next(scratch: Path) -> None:
    """No kill -9 leaves a folder that git would take along for good."""
    left = scratch / "generated" / ".setle_api-left"
    (left / "setle_api").mkdir(parents=True)
    generate.generate(scratch)
    assert not left.exists()


@pytest.mark.usefixtures("without_generator")
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("failing", [1, 2])
def test_a_swap_that_fails_is_undone(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], failing: int
) -> None:
    """When either of the two renames fails, the old package is in its place."""
    before = contents(scratch / "generated")
    rename, calls = Path.rename, 0

    def rename_or_fail(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise error("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_or_fail)
    with pytest.raises(error):
        generate.generate(scratch)
    assert contents(scratch / "generated") == before


@pytest.mark.usefixtures("without_generator")
def test_ctrl_c_after_a_rename_has_taken_place_is_undone(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt between the two renames puts the old package back."""
    before = contents(scratch / "generated")
    rename = Path.rename

    def rename_then_fail(self: Path, target: Path) -> Path:
        rename(self, target)
        if self.name == "setle_api":
            raise KeyboardInterrupt
        return target

    monkeypatch.setattr(Path, "rename", rename_then_fail)
    with pytest.raises(KeyboardInterrupt):
        generate.generate(scratch)
    assert contents(scratch / "generated") == before


@pytest.mark.usefixtures("without_generator")
def test_what_a_killed_run_left_is_no_obstacle(scratch: Path) -> None:
    """A run killed between the renames is made good by the next one."""
    package = scratch / "generated" / "setle_api"
    package.rename(package.with_name(".setle_api.old"))
    generate.generate(scratch)
    assert contents(scratch / "generated") == {"setle_api/new.py": b""}


def test_check_passes_on_a_fresh_package(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to tell, nothing written, byte code notwithstanding."""
    cache = scratch / "generated" / "setle_api" / "__pycache__"
    cache.mkdir()
    (cache / "client.pyc").touch()
    before = snapshot(scratch)
    generate.check(scratch)
    assert capsys.readouterr().out == ""
    assert snapshot(scratch) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda root: edit(
                root / "generated/setle_api/client.py", "bool = field", "int = field"
            ),
            ["-    raise_on_unexpected_status: int", "+    raise_on_unexpected_status: bool"],
        ),
        (
            lambda root: (root / "generated/setle_api/models/extra.py").touch(),
            ["stale: ", "models/extra.py"],
        ),
        (
            lambda root: (root / "generated/setle_api/py.typed").unlink(),
            ["missing: ", "setle_api/py.typed"],
        ),
        (
            lambda root: edit(root / "openapi.yaml", "Short string", "Brief string"),
            ["-        error (str | Unset): Short", "+        error (str | Unset): Brief"],
        ),
        (
            lambda root: edit(root / "openapi.overlay.yaml", "== 'error'", "== 'statusCode'"),
            ["-    status_code: float", "+    status_code: float | Unset"],
        ),
    ],
    ids=["hand edit", "stale file", "missing file", "edited spec", "edited overlay"],
)
def test_check_tells_what_is_not_as_generated(
    scratch: Path,
    change: Callable[[Path], None],
    told: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever side was changed, it is shown, and nothing is written."""
    change(scratch)
    before = snapshot(scratch)
    with pytest.raises(PipelineError, match=r"generated/setle_api is not .*: run make generate"):
        generate.check(scratch)
    output = capsys.readouterr().out
    assert all(line in output for line in told)
    assert snapshot(scratch) == before


@pytest.mark.parametrize("tool", ["openapi-python-client", "ruff"])
def test_check_refuses_another_version_of_a_tool(scratch: Path, tool: str) -> None:
    """What another version would write says nothing about the tree."""
    edit(scratch / "pyproject.toml", f'"{tool}==', f'"{tool}==9')
    with pytest.raises(PipelineError, match=f"{tool} is .*, pyproject.toml pins 9"):
        generate.check(scratch)


def test_a_difference_is_a_failure(scratch: Path) -> None:
    """The difference goes to stdout, one line to stderr, status 1."""
    (scratch / "generated" / "setle_api" / "extra.py").touch()
    result = command(scratch, "--check")
    assert result.returncode == 1
    assert result.stdout == f"stale: {scratch.as_posix()}/generated/setle_api/extra.py\n"
    assert result.stderr == (
        "error: generated/setle_api is not what its sources give: run make generate\n"
    )


def test_a_failure_is_one_line(scratch: Path) -> None:
    """Neither a traceback nor a second line, status 1."""
    edit(scratch / "openapi.yaml", "info:", "info: [")
    result = command(scratch)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: openapi.yaml is not YAML: ")
    assert result.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line(
    scratch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the operating system refuses is told in its own words."""
    shutil.rmtree(scratch / "generated")
    (scratch / "generated").touch()
    assert run(lambda: generate.generate(scratch)) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: [Errno ")
    assert stderr.count("\n") == 1
