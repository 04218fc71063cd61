"""The OpenAPI document holds for what is sent at random after it; and no upload, however broken, breaks the service."""

import time

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import checks

from tests.fuzz import RECORDING, write_good_night

pytestmark = pytest.mark.slow

N_EACH, N_COSTLY = 30, 8
OPERATIONS = (
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/v1/model"),
    ("GET", "/v1/models"),
    ("GET", "/v1/drift"),
    ("POST", "/v1/admin/promote"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/epochs"),
    ("POST", "/v1/nights"),
    ("POST", "/v1/nights/simulated"),
    ("GET", "/v1/nights/{id}"),
    ("GET", "/v1/nights/{id}/epochs/{index}/picture"),
    ("GET", "/v1/nights/{id}/epochs/{index}/explanation"),
    ("GET", "/v1/nights/{id}/review"),
    ("GET", "/v1/nights/{id}/statistics"),
    ("GET", "/v1/nights/{id}/spectrogram"),
    ("GET", "/v1/nights/{id}/report"),
    ("GET", "/v1/nights/{id}/hypnogram"),
    ("GET", "/v1/nights/{id}/corrections"),
    ("PUT", "/v1/nights/{id}/corrections"),
    ("DELETE", "/v1/nights/{id}"),
)
LONGEST_S = 60.0
CHECKS = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)


@pytest.fixture(scope="module")
def document(url):
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


def try_operation(document, method: str, path: str, kept: str, n: int) -> set[int]:
    """Statuses of so many requests, half of them about a night that there is."""
    statuses = set()

    @settings(
        max_examples=n,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(document[path][method].as_strategy(), st.booleans())
    def run(case, is_known: bool) -> None:
        if is_known and "id" in (case.path_parameters or {}) and method != "DELETE":
            case.path_parameters["id"] = kept
            case.path_parameters |= {"index": case.path_parameters["index"] % 8} if "{index}" in path else {}
        answer = case.call_and_validate(checks=list(CHECKS), timeout=LONGEST_S)
        statuses.add(answer.status_code)

    run()
    return statuses


def is_costly(path: str) -> bool:
    """Whether forward passes or a simulation stand behind every request."""
    return path.endswith(("/explanation", "/simulated"))


def test_every_path_of_the_document_is_tried(document):
    found = {(one.ok().method.upper(), one.ok().path) for one in document.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_is_sent_after_the_document_gets_what_it_promises(document, lean, method, path):
    statuses = try_operation(document, method, path, lean, N_COSTLY if is_costly(path) else N_EACH)
    assert max(statuses) < 500
    assert method != "GET" or 200 in statuses


@pytest.fixture(scope="module")
def http():
    """One client for all: to read the certificates of this machine takes longer than to send a little."""
    with httpx.Client(timeout=LONGEST_S) as http:
        yield http


@pytest.fixture(scope="module")
def good_recording(tmp_path_factory) -> bytes:
    return write_good_night(tmp_path_factory.mktemp("good"))["recording"].read_bytes()


@pytest.mark.parametrize("name", RECORDING)
def test_a_changed_recording_is_scored_or_refused_in_time(http, url, good_recording, name):
    started = time.monotonic()
    answer = http.post(f"{url}/v1/nights", content=RECORDING[name](good_recording))
    assert answer.status_code in (200, 400, 413, 422), answer.text
    if answer.status_code != 200:
        assert answer.json()["detail"].endswith(".")
    assert time.monotonic() - started < LONGEST_S


@settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    body=st.binary(max_size=600),
    kind=st.sampled_from(
        [
            "",
            "application/json",
            "application/octet-stream",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "multipart/form-data; boundary=",
            "application/x-npy",
            "text/plain; charset=\x7f",
            "x" * 300,
        ]
    ),
    path=st.sampled_from(["/v1/nights", "/v1/nights?wait=stream&keep=false", "/v1/epochs", "/v1/nights?model=x"]),
    key=st.sampled_from([None, "", "k", "k" * 200, "k" * 201]),
    framed=st.booleans(),
)
def test_whatever_is_sent_is_refused_in_words(url, http, body, kind, path, key, framed):
    if framed:
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.edf"\r\n\r\n' + body + b"\r\n--x--\r\n"
    headers = {"content-type": kind} | ({"idempotency-key": key} if key is not None else {})
    answer = http.post(f"{url}{path}", content=body, headers=headers)
    assert 200 <= answer.status_code < 500, answer.text
    if answer.status_code == 200:
        assert b'"failed"' in answer.content
