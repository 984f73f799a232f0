"""Requests that schemathesis makes from /openapi.json, right and wrong ones: replies are what the document says."""

import collections

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from server_program import ServerProgram, required, until

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
OPERATIONS = [
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/embeddings",
    "POST /v1/messages",
    "POST /v1/messages/count_tokens",
    "POST /v1/responses",
    "GET /v1/models",
    "GET /v1/models/{id}",
    "GET /v1/model/list",
    "POST /v1/model/load",
    "POST /v1/model/unload",
    "GET /v1/cache",
    "POST /tokenize",
    "POST /detokenize",
    "POST /apply-template",
    "GET /health",
    "GET /ready",
    "GET /metrics",
    "GET /openapi.json",
]
CONVERSATION = [{"role": "user", "content": "Hi"}]
SOUND = {
    "POST /v1/chat/completions": {"messages": CONVERSATION},
    "POST /v1/completions": {"prompt": "Once"},
    "POST /v1/embeddings": {"input": ["Once", "Twice"]},
    "POST /v1/messages": {"messages": CONVERSATION},
    "POST /v1/responses": {"input": CONVERSATION},
    "POST /apply-template": {"messages": CONVERSATION},
}
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
MOST_TOKENS = 4
SETTINGS = hypothesis.settings(
    max_examples=40,
    derandomize=True,  # the same requests each time
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)


@pytest.fixture(scope="module")
def server():
    with ServerProgram("--log-level", "warn", model=required("TRELLIS_TINY_MODEL")) as program:
        yield program
        until(program.is_idle, "nothing is left of the requests")


@pytest.fixture(scope="module")
def document(server):
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def shorten(body):
    """Right limits of an answer become small ones, so that a test takes seconds; wrong ones stay. Streams are for the
    clients' tests: schemathesis takes the document's word for all of a stream as that for one event."""
    if body.get("stream") is True:
        body["stream"] = False
    for name in LIMITS:
        if isinstance(body.get(name), int) and body[name] > MOST_TOKENS:
            body[name] = MOST_TOKENS


def test_the_document_is_valid_and_has_no_other_operations(server, document):
    document.validate()
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    found = [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
    assert sorted(found) == sorted(OPERATIONS)


def check_replies(document, label, mode, checks, fixed=None):
    """fixed: fields that each body has. Returns how many replies had which status."""
    statuses = collections.Counter()
    method, path = label.split(" ")
    operation = document[path][method]

    @SETTINGS
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        if isinstance(case.body, dict):
            case.body.update(fixed or {})
            shorten(case.body)
        statuses[case.call_and_validate(checks=checks, timeout=60).status_code] += 1

    check()
    return statuses


@pytest.mark.parametrize("label", OPERATIONS)
def test_right_requests_get_what_the_document_says(document, label):
    statuses = check_replies(document, label, GenerationMode.POSITIVE, CHECKS)
    assert statuses.keys() <= {200, 400, 404}


@pytest.mark.parametrize("label", SOUND)
def test_right_fields_beside_a_sound_prompt_are_answered_as_the_document_says(document, label):
    """What a schema cannot say of a prompt, such as that it has tokens, would else refuse most requests."""
    statuses = check_replies(document, label, GenerationMode.POSITIVE, CHECKS, {**SOUND[label], "model": None})
    assert statuses[200] > 10, statuses


@pytest.mark.parametrize("label", [label for label in OPERATIONS if label.startswith("POST ")])
def test_wrong_requests_are_refused_as_the_document_says(document, label):
    statuses = check_replies(document, label, GenerationMode.NEGATIVE, [*CHECKS, negative_data_rejection])
    assert statuses[400] > 0
