"""DICOMweb's trust and patience: against Orthanc over TLS, and a server that does what Orthanc cannot be made to do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from support.certificates import make_certificate
from support.orthanc import PASSWORD, USER, Orthanc
from support.pacs import configure, uid_of, uids_in
from support.roots import settings_of
from support.tls_relay import tls_relay

from dagster_project.core.errors import RayTruthError
from dagster_project.core.paths import Paths
from dagster_project.intake.pacs import client
from dagster_project.intake.pacs.client import Archive, Instance, RefusedObject, Unanswered
from dagster_project.intake.pacs.connect import open_archive
from dagster_project.intake.pacs.pull import pull
from dagster_project.intake.root import Root

DAY = date(2026, 3, 1)
OBJECT = Instance("1.2", "1.2.3", "1.2.3.4")


@pytest.mark.pacs
def test_a_certificate_counts_only_if_its_authority_is_named(
    root: Paths, pacs: Orthanc, images: list[Path], tmp_path: Path, credentials: None
) -> None:
    certificate, other = make_certificate(tmp_path / "ours"), make_certificate(tmp_path / "other")
    pacs.add(images[0])
    with tls_relay(pacs.http, certificate) as port:
        url = f"https://127.0.0.1:{port}/dicom-web"
        for ca in (None, str(other)):
            configure(root, sources={"main": {"protocol": "dicomweb", "url": url, "ca": ca}})
            with pytest.raises(RayTruthError, match="certificate of the PACS is not trusted"):
                pull(Root(root, settings_of(root)), "main")
        configure(root, sources={"main": {"protocol": "dicomweb", "url": url, "ca": str(certificate)}})
        pull(Root(root, settings_of(root)), "main")
        pull(Root(root, settings_of(root)), "main")
    assert uids_in(root.inbox) == [uid_of(images[0])]


Answer = tuple[int, dict[str, str], bytes]


class Server:
    """Answers each request by `answer(path, query, headers)`; keeps what was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[str, dict[str, str], dict[str, str]], Answer] = lambda *_: (204, {}, b"")
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                request = (parts.path, query, dict(self.headers))
                outer.asked.append(request)
                status, headers, body = outer.answer(*request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(ConnectionError):  # who asked may have heard enough
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/web"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    server = Server()
    yield server
    server.close()


@pytest.fixture
def asking(odd: Server, root: Paths) -> Iterator[Callable[..., Archive]]:
    """Opens the odd server as the source `main`, with other settings of section `pacs` if given."""
    opened = []

    def open_it(**pacs: object) -> Archive:
        configure(root, sources={"main": {"protocol": "dicomweb", "url": odd.url, "ca": None}}, **pacs)
        opened.append(open_archive(root, settings_of(root).pacs, "main"))
        return opened[-1]

    yield open_it
    for one in opened:
        one.close()


def rows(*uids: str) -> Answer:
    listed = [{"0020000D": {"vr": "UI", "Value": [uid]}, "00201208": {"vr": "IS", "Value": [2]}} for uid in uids]
    return 200, {"Content-Type": "application/dicom+json"}, json.dumps(listed).encode()


def test_a_server_that_fails_now_and_then_is_asked_again(odd: Server, asking: Callable[..., Archive]) -> None:
    odd.answer = lambda *_: rows("1.2") if len(odd.asked) > 3 else (503, {}, b"")
    assert [s.uid for s in asking().studies("DX", DAY, DAY)] == ["1.2"]


def test_it_is_given_up_after_five_tries(odd: Server, asking: Callable[..., Archive]) -> None:
    odd.answer = lambda *_: (503, {}, b"")
    with pytest.raises(Unanswered, match="503"):
        list(asking().studies("DX", DAY, DAY))
    assert len(odd.asked) == 5


@pytest.mark.slow
@pytest.mark.parametrize(("status", "form"), [(429, "{seconds}"), (503, "{date}")])
def test_as_long_as_it_asks_to_be_left_alone_it_is(
    odd: Server, asking: Callable[..., Archive], status: int, form: str
) -> None:
    times: list[float] = []

    def answer(*_: object) -> Answer:
        times.append(time.time())
        wish = form.format(seconds=2, date=formatdate(times[0] + 3, usegmt=True))  # a date has whole seconds
        return rows("1.2") if len(times) > 1 else (status, {"Retry-After": wish}, b"")

    odd.answer = answer
    assert [s.uid for s in asking().studies("DX", DAY, DAY)] == ["1.2"]
    assert times[1] - times[0] >= 1.9


def test_a_server_that_wants_to_be_left_alone_for_long_is_left_to_the_next_poll(
    odd: Server, asking: Callable[..., Archive]
) -> None:
    odd.answer = lambda *_: (503, {"Retry-After": "3600"}, b"")
    with pytest.raises(Unanswered, match="asks us to wait 3600 s"):
        list(asking().studies("DX", DAY, DAY))
    assert len(odd.asked) == 1


@pytest.mark.parametrize(
    "wish", ["soon", "-5", pytest.param("9" * 5000, id="digits"), "Wed, 31 Dec 99999 23:59:59 GMT", ""]
)
def test_a_wish_that_cannot_be_read_is_none(odd: Server, asking: Callable[..., Archive], wish: str) -> None:
    odd.answer = lambda *_: (503, {"Retry-After": wish}, b"")
    with pytest.raises(Unanswered, match=r"HTTP 503\)"):
        list(asking().studies("DX", DAY, DAY))
    assert len(odd.asked) == 5


def test_a_long_list_comes_page_by_page(odd: Server, asking: Callable[..., Archive]) -> None:
    uids = [f"1.2.{n}" for n in range(450)]
    odd.answer = lambda _, query, __: rows(*uids[int(query["offset"]) : int(query["offset"]) + int(query["limit"])])
    assert [s.uid for s in asking().studies("DX", DAY, DAY)] == uids
    assert {query["limit"] for _, query, _ in odd.asked} == {"200"}


def test_a_server_that_knows_no_pages_is_not_asked_for_ever(odd: Server, asking: Callable[..., Archive]) -> None:
    odd.answer = lambda *_: rows("1.2", "1.3")
    assert [s.uid for s in asking().studies("DX", DAY, DAY)] == ["1.2", "1.3"]
    assert len(odd.asked) == 2


def test_a_uid_that_is_a_path_leads_nowhere(odd: Server, asking: Callable[..., Archive]) -> None:
    odd.answer = lambda *_: rows("../../admin", "1.2", "1" * 65, "")
    assert [s.uid for s in asking().studies("DX", DAY, DAY)] == ["1.2"]


def test_a_redirection_is_not_followed(odd: Server, asking: Callable[..., Archive]) -> None:
    odd.answer = lambda *_: (302, {"Location": f"{odd.url}/elsewhere"}, b"")
    with pytest.raises(RayTruthError, match="HTTP 302"):
        list(asking().studies("DX", DAY, DAY))
    assert len(odd.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[1]", b"[" * 100_000])
def test_an_answer_that_is_no_list_is_a_failure(odd: Server, asking: Callable[..., Archive], body: bytes) -> None:
    odd.answer = lambda *_: (200, {}, body)
    with pytest.raises(Unanswered):
        list(asking().studies("DX", DAY, DAY))


def test_a_page_of_words_instead_of_an_object_is_a_failure(odd: Server, asking: Callable[..., Archive]) -> None:
    odd.answer = lambda *_: (200, {"Content-Type": "text/html"}, b"<html>please log in</html>")
    with pytest.raises(Unanswered):
        asking().fetch(OBJECT)


def test_no_more_is_read_than_an_object_may_have(odd: Server, asking: Callable[..., Archive]) -> None:
    odd.answer = lambda *_: (200, {"Content-Type": "application/dicom"}, b"x" * 5_000_000)
    with pytest.raises(RefusedObject, match="too large"):
        asking(max_megabytes=1).fetch(OBJECT)


def test_a_server_that_falls_silent_is_a_failure(odd: Server, asking: Callable[..., Archive]) -> None:
    odd.answer = lambda *_: time.sleep(1) or rows("1.2")
    with pytest.raises(Unanswered, match="ReadTimeout"):
        list(asking(timeout_seconds=0.1).studies("DX", DAY, DAY))


def test_a_token_or_a_password_goes_along_and_nothing_else_of_the_environment(
    odd: Server, asking: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    odd.answer = lambda *_: (204, {}, b"")
    list(asking().studies("DX", DAY, DAY))
    monkeypatch.setenv("RAYTRUTH_PACS_MAIN_TOKEN", "t0ken")
    list(asking().studies("DX", DAY, DAY))
    monkeypatch.delenv("RAYTRUTH_PACS_MAIN_TOKEN")
    monkeypatch.setenv("RAYTRUTH_PACS_MAIN_USER", USER)
    monkeypatch.setenv("RAYTRUTH_PACS_MAIN_PASSWORD", PASSWORD)
    list(asking().studies("DX", DAY, DAY))
    none, token, password = (headers.get("Authorization") for _, _, headers in odd.asked)
    assert none is None
    assert token == "Bearer t0ken"
    assert password.startswith("Basic ")


@pytest.mark.parametrize("given", [("USER",), ("PASSWORD",), ("USER", "PASSWORD", "TOKEN")])
def test_half_of_the_credentials_or_two_kinds_are_an_error(
    asking: Callable[..., Archive], monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...]
) -> None:
    for what in given:
        monkeypatch.setenv(f"RAYTRUTH_PACS_MAIN_{what}", "CANARY")
    with pytest.raises(RayTruthError, match="credentials") as caught:
        asking()
    assert "CANARY" not in str(caught.value)


def test_no_error_names_what_was_asked(odd: Server, asking: Callable[..., Archive]) -> None:
    for status in (302, 400, 401, 403, 404, 429, 500, 503):
        odd.answer = lambda *_, status=status: (status, {}, b"CANARY")
        with pytest.raises(RayTruthError) as caught:
            asking().fetch(Instance("1.2.77777", "1.2.77778", "1.2.77779"))
        assert "7777" not in str(caught.value)
        assert "CANARY" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_source_that_is_not_named_is_said(root: Paths) -> None:
    with pytest.raises(RayTruthError, match="no source with that name"):
        pull(Root(root, settings_of(root)), "main")
