import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest

import pipeline.report
from pipeline import PipelineError, fetch
from pipeline.document import dump, parse
from pipeline.report import changes
from pipeline.spec import described, operations
from pipeline.vendor import INDEX, vendor
from tests.pipeline.serving import PUBLISHED, SITE, TOKEN_PAGE, Answer, serving, site

ROOT = Path(__file__).parents[2]
PAGE = "/api-reference/get-estate.md"


@pytest.fixture
def scratch(one_endpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The real one generates two clients; test_wide.py has it, once.
    def report(root: Path, old: str, new: str) -> SimpleNamespace:
        assert (root / "openapi.yaml").read_text(encoding="utf-8") == old
        return SimpleNamespace(render=lambda form: f"the report as {form}")

    monkeypatch.setattr(pipeline.report, "report", report)
    return one_endpoint


@pytest.fixture
def answers() -> dict[str, Answer]:
    """Return what the documentation site answers; a test may change it."""
    return site()


@pytest.fixture
def url(answers: dict[str, Answer]) -> Iterator[str]:
    with serving(answers) as url:
        yield url


def refused(root: Path, source: str) -> str:
    """Return why vendoring *source* fails, in one line; nothing below *root* changes."""
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(PipelineError) as caught:
        vendor(root, source)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert "; " in str(caught.value)
    return str(caught.value)


def vendored(root: Path) -> list[tuple[str, str]]:
    return operations(parse((root / "openapi.yaml").read_text(encoding="utf-8"), "it"))


def test_the_whole_site_is_taken(
    scratch: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every page of an endpoint; what is added is told, operations first."""
    vendor(scratch, f"{url}/llms.txt")
    assert len(vendored(scratch)) == 13
    out, err = capsys.readouterr()
    assert out.startswith("+ POST /v1/estate\n+ GET /v1/estate/list\n")
    assert out.endswith("openapi.yaml is new; go on with make generate\n")
    assert err == ""


def test_the_same_description_is_left_alone(
    scratch: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The published page gives the vendored file, which is then not written."""
    before = (scratch / "openapi.yaml").stat()
    vendor(scratch, url + TOKEN_PAGE)
    after = (scratch / "openapi.yaml").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    told = f"openapi.yaml is what {url}{TOKEN_PAGE} holds; there is nothing to do\n"
    assert capsys.readouterr().out == told


def test_the_order_of_an_index_makes_no_difference(
    scratch: Path, answers: dict[str, Answer], url: str
) -> None:
    """The other way round it gives the same bytes."""
    vendor(scratch, f"{url}/llms.txt")
    before = (scratch / "openapi.yaml").read_bytes()
    answers["/llms.txt"] = "\n".join(reversed(str(answers["/llms.txt"]).splitlines()))
    (scratch / "openapi.yaml").unlink()
    vendor(scratch, f"{url}/llms.txt")
    assert (scratch / "openapi.yaml").read_bytes() == before


def test_a_path_does_as_well(scratch: Path) -> None:
    """Index, pages and files may lie on the disk; links from the root start at the index."""
    for path in SITE.rglob("*.*"):
        copy = scratch / "site" / path.relative_to(SITE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8").replace(PUBLISHED, ""), encoding="utf-8")
    vendor(scratch, str(scratch / "site" / "llms.txt"))
    assert len(vendored(scratch)) == 13


@pytest.mark.parametrize("name", ["openapi.yaml", "openapi.yml", "openapi.json", "openapi"])
def test_a_listed_file_comes_before_the_pages(
    scratch: Path, answers: dict[str, Answer], url: str, name: str
) -> None:
    """The pages are not even asked for; JSON becomes YAML."""
    document = parse((scratch / "openapi.yaml").read_text(encoding="utf-8"), "it")
    document["info"]["title"] = "From the file"
    answers[f"/{name}"] = json.dumps(document) if name.endswith("json") else dump(document)
    answers["/llms.txt"] = f"- [A](/gone.md)\n## OpenAPI Specs\n- [openapi](/{name})\n"
    vendor(scratch, f"{url}/llms.txt")
    assert (scratch / "openapi.yaml").read_text(encoding="utf-8") == dump(document)


@pytest.mark.parametrize("source", [f"{PUBLISHED}/spec.json", "/spec.json", "spec.json"])
def test_a_file_that_a_page_names_is_fetched_instead(
    scratch: Path, answers: dict[str, Answer], url: str, source: str
) -> None:
    """By address, or by path from the root of the site; once for all pages."""
    document = parse((scratch / "openapi.yaml").read_text(encoding="utf-8"), "it")
    document["info"]["title"] = "From the file"
    asked = []

    def once(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        body = json.dumps(document).encode()
        handler.send_response(200)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    page = str(answers[TOKEN_PAGE]).replace("yaml POST", f"yaml {source} POST")
    answers |= {"/spec.json": once, "/a.md": page, "/b.md": page}
    answers["/llms.txt"] = "- [A](/a.md)\n- [B](/b.md)\n"
    vendor(scratch, f"{url}/llms.txt")
    assert (scratch / "openapi.yaml").read_text(encoding="utf-8") == dump(document)
    assert asked == ["/spec.json"]


def test_a_redirect_within_the_site_is_followed(
    scratch: Path, answers: dict[str, Answer], url: str
) -> None:
    """Pages move."""
    answers["/old.md"] = redirect(TOKEN_PAGE)
    (scratch / "openapi.yaml").unlink()
    vendor(scratch, f"{url}/old.md")
    assert vendored(scratch) == [("POST", "/v1/oauth/token")]


def test_pages_elsewhere_are_passed_over_aloud(
    scratch: Path, answers: dict[str, Answer], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An index may link to anything; what it is not taken for its word is told."""
    answers["/llms.txt"] = (
        f"- [A]({TOKEN_PAGE}), [B](https://example.com/b.md), [C](https://example.com)\n"
    )
    vendor(scratch, f"{url}/llms.txt")
    assert capsys.readouterr().err == (
        "note: no pages of the site, passed over: https://example.com/b.md https://example.com\n"
    )


def test_a_description_the_overlay_does_not_fit_is_written(
    scratch: Path, answers: dict[str, Answer], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """To adapt the overlay one needs the new description; the stale action is told at once."""
    answers["/new.yaml"] = dump(
        parse(
            (scratch / "openapi.yaml").read_text(encoding="utf-8").replace("- error\n", "- x\n"),
            "it",
        )
    )
    vendor(scratch, f"{url}/new.yaml")
    out, err = capsys.readouterr()
    assert "~ components/schemas/DefaultHttpException\n" in out
    assert out.endswith(
        "openapi.yaml is new; mend openapi.overlay.yaml as told above, then make generate\n"
    )
    assert err.startswith("to mend: overlay action 4 ")
    assert err.count("\n") == 1
    with pytest.raises(PipelineError, match="overlay action 4 "):
        described(scratch)


def test_a_description_with_faults_is_written(
    scratch: Path, answers: dict[str, Answer], url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An overlay mends it: what is to be mended is told, with actions to paste."""
    text = (scratch / "openapi.yaml").read_text(encoding="utf-8")
    answers["/new.yaml"] = text.replace("type: number", "type: float", 1)
    vendor(scratch, f"{url}/new.yaml")
    assert (scratch / "openapi.yaml").read_text(encoding="utf-8") == answers["/new.yaml"]
    out, err = capsys.readouterr()
    assert err.startswith(
        "to mend: schema RequestBearerTokenActionOutputDto, properties/expires_in: "
        "type 'float' is not one of "
    )
    assert "\nready to paste at the end of openapi.overlay.yaml:\n\n  - target: $.comp" in err
    assert out.endswith("; mend openapi.overlay.yaml as told above, then make generate\n")


def test_a_broken_overlay_is_told_and_does_not_stop_it(
    scratch: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mending it takes the new description as well."""
    (scratch / "openapi.overlay.yaml").write_text("overlay: 1.1.0\nactions: {}\n")
    vendor(scratch, f"{url}/llms.txt")
    assert len(vendored(scratch)) == 13
    out, err = capsys.readouterr()
    assert err == (
        "to mend: openapi.overlay.yaml has no list of actions; add one, or drop the file\n"
    )
    assert out.endswith("; mend openapi.overlay.yaml as told above, then make generate\n")


def test_the_report_is_shown_before_anything_is_written(
    scratch: Path, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it means for users is told while the old description is still there."""
    seen = []

    def report(root: Path, old: str, new: str) -> SimpleNamespace:
        seen.append((root, old == (root / "openapi.yaml").read_text(encoding="utf-8") != new))
        return SimpleNamespace(render=lambda form: f"the report as {form}")

    monkeypatch.setattr(pipeline.report, "report", report)
    vendor(scratch, f"{url}/llms.txt")
    assert seen == [(scratch, True)]
    assert "\nthe report as text\nopenapi.yaml is new" in capsys.readouterr().out


def test_what_changes_is_told_by_its_place() -> None:
    """Operations first; whatever stands there before may be anything."""
    old = "openapi: 3.0.0\ninfo: {}\npaths: {/a: {get: 1, put: 1}}\ncomponents: {schemas: {A: 1}}\n"
    new = "openapi: 3.0.1\ninfo: {}\npaths: {/a: {get: 2, post: 1}}\n"
    assert changes(old, new) == [
        "~ GET /a",
        "+ POST /a",
        "- PUT /a",
        "- components/schemas/A",
        "~ openapi",
    ]
    assert changes("[", "openapi: 3.0.0") == ["+ openapi"]


def redirect(target: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("location", target)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b"openapi: 3.0.0\n")
    handler.close_connection = True


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "50000000")
    handler.end_headers()
    for _ in range(50):
        handler.wfile.write(b"#" * 1_000_000)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("# Quickstart\n", "has no OpenAPI block"),
        ("<!DOCTYPE html><html>", "is HTML; vendor the page as markdown"),
        ("\n  <html><body>", "is HTML"),
        (b"\xff\xfe", "is not UTF-8"),
        ("````yaml GET /p\nopenapi: 3.0.0\n", "ends within its OpenAPI block"),
        ("```yaml GET /p\npaths: {path: /p, method: get}\n```", "has no `openapi` key"),
        ("```yaml GET /p\nopenapi: 3.0.0\na: &a [*a]\n```", "stands within what it means"),
        ("```yaml GET /p\nopenapi: 3.0.0\n```", "says it has GET /p, but its description has not"),
        ("````yaml GET /p\nopenapi: 2.0\n````", "it says version 2.0, and 3.0 and 3.1"),
        (
            str(site()[PAGE]).replace("get /v1/estate", "get /v2/estate"),
            "says it has GET /v2/estate/{estateId}, but its description has not",
        ),
        (redirect("http://localhost:1/x.md"), "redirects to another host, http://localhost:1/x.md"),
        (redirect("/x.md"), "redirects more than 5 times"),
        (cut_off, "cannot be had: peer closed connection"),
        (endless, "has more than 10 MB"),
        (lambda handler: handler.send_error(503), "answers 503 instead of 200"),
        (hang_up, "cannot be had: Server disconnected"),
    ],
)
@pytest.mark.parametrize("source", ["x.md", "llms.txt"])
def test_a_page_that_cannot_be_used_stops_it(
    scratch: Path, answers: dict[str, Answer], url: str, answer: Answer, reason: str, source: str
) -> None:
    """Alone or in an index: one error that names the page, and nothing is touched."""
    answers |= {"/x.md": answer, "/llms.txt": "- [X](/x.md)\n"}
    error = refused(scratch, f"{url}/{source}")
    assert reason in error
    assert f"{url}/" in error


def test_a_slow_server_is_given_up(
    scratch: Path, answers: dict[str, Answer], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit holds for the whole answer, however often a byte of it comes."""
    monkeypatch.setattr(fetch, "DEADLINE", 0.2)
    over = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        while not over.wait(0.02):
            handler.wfile.write(b"H")

    answers["/x.md"] = drip
    try:
        assert "took longer than 0.2 s; try again later" in refused(scratch, f"{url}/x.md")
    finally:
        over.set()


def test_requests_are_few_at_a_time(scratch: Path, answers: dict[str, Answer], url: str) -> None:
    """Four, and all four at once."""
    together, fifth = threading.Barrier(4), threading.Event()
    running = threading.Semaphore(4)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if not running.acquire(blocking=False):
            fifth.set()
        together.wait(10)
        fifth.wait(0.1)  # long enough for one more to come
        running.release()
        handler.send_response(200)
        handler.send_header("content-length", "0")
        handler.end_headers()

    pages = [f"/{number}.md" for number in range(16)]
    answers |= dict.fromkeys(pages, answer)
    answers["/llms.txt"] = "".join(f"- [P]({page})\n" for page in pages)
    assert "nor has a page it lists" in refused(scratch, f"{url}/llms.txt")
    assert not fifth.is_set()


def test_pages_are_counted_on_a_terminal(
    scratch: Path, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nowhere else: a log would be full of it."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    vendor(scratch, f"{url}/llms.txt")
    assert capsys.readouterr().err.endswith("\r14 of 15 files\r15 of 15 files\n")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("http://example.com/llms.txt", "http://example.com/llms.txt is not https://"),
        ("ftp://127.0.0.1/x", "is not https://"),
        ("https://[x/", "cannot be had: "),
        ("nothing.md", "cannot read nothing.md: No such file"),
        (".", "cannot read .: Is a directory"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(scratch: Path, source: str, reason: str) -> None:
    """With what to do about it."""
    assert reason in refused(scratch, source)


def test_two_pages_that_contradict_each_other_stop_it(
    scratch: Path, answers: dict[str, Answer], url: str
) -> None:
    """Both are named, with the place."""
    answers[PAGE] = str(answers[PAGE]).replace("- LAND", "- PLOT")
    error = refused(scratch, f"{url}/llms.txt")
    assert f"{url}{PAGE}" in error
    assert "do not say the same at components/schemas/EstateType/enum/2; tell Setle" in error


def test_the_command_ends_in_one_line(scratch: Path, url: str) -> None:
    """Status 1 and no traceback after a failure; the default is Setle's index."""
    result = subprocess.run(
        [sys.executable, "-m", "pipeline.vendor", "--root", scratch, "--from", f"{url}/x.md"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"error: {url}/x.md answers 404 instead of 200; check the address, or try again later\n"
    )
    assert f"{PUBLISHED}/llms.txt" == INDEX
