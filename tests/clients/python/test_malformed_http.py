"""What is not HTTP, or not all of it, or too much of it: through plain sockets, and through curl."""

import json
import random
import subprocess
import time

import pytest

from raw_client import RawClient, post, request
from server_program import ServerProgram, until

CHAT = "/v1/chat/completions"
SHORT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "temperature": 0}
LONG = {**SHORT, "max_tokens": 900, "ignore_eos": True}

pytestmark = pytest.mark.usefixtures("unharmed")


@pytest.fixture(scope="module")
def server():
    limits = ["--header-seconds", "1", "--body-seconds", "1", "--idle-seconds", "3"]
    sizes = ["--max-header-kib", "8", "--max-body-mib", "1"]
    with ServerProgram(*limits, *sizes) as program:
        yield program
        assert program.is_idle(), "a test has left requests or pages behind"


@pytest.fixture
def connect(server):
    opened = []

    def make():
        opened.append(RawClient(server.port))
        return opened[-1]

    yield make
    for raw in opened:
        raw.__exit__()


@pytest.fixture
def unharmed(server):
    """After each test the server answers as it did before it."""
    before = server.post(CHAT, SHORT)["choices"][0]["message"]["content"]
    yield
    until(server.is_idle, "everything is given back")
    assert server.post(CHAT, SHORT)["choices"][0]["message"]["content"] == before


def refused(raw, *sent):
    """The reply to what is sent, behind which the server hangs up."""
    raw.send(*sent)
    reply = raw.read_reply()
    assert reply.headers["connection"] == "close"
    assert raw.is_closed()
    assert reply.error["message"]
    return reply


BAD_HEADS = {
    "no HTTP at all": b"what is this\r\n\r\n",
    "a method alone": b"GET\r\n\r\n",
    "no version": b"GET /health\r\n\r\n",
    "HTTP/0.9": b"GET /health HTTP/0.9\r\nHost: localhost\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": b"GET /health RTSP/1.0\r\n\r\n",
    "a version that is no number": b"GET /health HTTP/x.y\r\nHost: localhost\r\n\r\n",
    "a blank in the target": b"GET /hea lth HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a control character in the target": b"GET /hea\x01lth HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a zero byte in a value": b"GET /health HTTP/1.1\r\nHost: local\x00host\r\n\r\n",
    "a header without a colon": b"GET /health HTTP/1.1\r\nHost localhost\r\n\r\n",
    "a header without a name": b"GET /health HTTP/1.1\r\n: localhost\r\n\r\n",
    "a blank before the colon": b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "a TLS greeting": bytes.fromhex("16030100c8010000c40303") + bytes(range(64)) + b"\r\n\r\n",
    "bytes of chance": random.Random(7).randbytes(400) + b"\r\n\r\n",
}


@pytest.mark.parametrize("head", BAD_HEADS.values(), ids=BAD_HEADS)
def test_what_is_not_http_is_400(connect, head):
    assert refused(connect(), head).status == 400


BAD_LENGTHS = {
    "no number": "Content-Length: many",
    "negative": "Content-Length: -1",
    "beyond 64 bits": "Content-Length: 99999999999999999999999",
    "twice, differently": "Content-Length: 2\r\nContent-Length: 3",
    "an unknown coding": "Transfer-Encoding: nonsense",
}


@pytest.mark.parametrize("header", BAD_LENGTHS.values(), ids=BAD_LENGTHS)
def test_a_length_that_cannot_be_is_refused(connect, header):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode()
    assert refused(connect(), head + b"{}").status in (400, 413, 501)


def test_a_length_beside_chunks_smuggles_no_request(connect):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw = connect()
    raw.send(head.encode() + b"0\r\n\r\n" + request(path="/v1/models"))
    assert raw.read_reply().status == 400
    assert raw.is_closed()


def chunked(*chunks):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks)


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


BAD_CHUNKS = {
    "no size": b"xyz\r\n{}\r\n0\r\n\r\n",
    "negative size": b"-2\r\n{}\r\n0\r\n\r\n",
    "size beyond 64 bits": b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "longer than its size": b"1\r\n{}\r\n0\r\n\r\n",
    "no line end behind the size": b"2{}\r\n0\r\n\r\n" + b" " * 64,
}


@pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_chunks_of_nonsense_are_refused(connect, chunks):
    assert refused(connect(), chunked(chunks)).status in (400, 413)


def test_a_body_in_chunks_of_one_byte_is_read(connect, server):
    pieces = [chunk(bytes([byte])) for byte in json.dumps(SHORT).encode()]
    raw = connect()
    raw.send(chunked(), *pieces, b"0\r\n\r\n")
    reply = raw.read_reply()
    assert reply.status == 200
    assert json.loads(reply.body)["choices"] == server.post(CHAT, SHORT)["choices"]


def test_chunks_beyond_the_limit_are_413(connect):
    assert refused(connect(), chunked(), *[chunk(b" " * 65536)] * 20).status == 413


def test_a_body_beyond_the_limit_is_413(connect):
    assert refused(connect(), request("POST", CHAT, b" " * (2 << 20))).status == 413


def test_a_body_that_only_says_it_is_beyond_the_limit_is_413_at_once(connect):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n"
    assert refused(connect(), head.encode()).status == 413


def test_a_body_of_the_most_bytes_is_read(connect):
    body = json.dumps(SHORT).encode()
    raw = connect()
    raw.send(request("POST", CHAT, body + b" " * ((1 << 20) - len(body))))
    assert raw.read_reply().status == 200


@pytest.mark.parametrize("lines", [["X-Big: " + "x" * 9000], [f"X-{index}: y" for index in range(5000)]],
                         ids=["one long", "many"])
def test_headers_beyond_the_limit_are_431(connect, lines):
    assert refused(connect(), request(headers=lines)).status == 431


def test_a_request_line_without_an_end_is_refused(connect):
    assert refused(connect(), b"GET /" + b"x" * 100_000).status in (400, 414, 431)


def test_headers_that_come_too_slowly_are_408(connect):
    assert refused(connect(), b"GET /health HTTP/1.1\r\nHost:").status == 408


def test_headers_that_drip_are_408(connect):
    """A byte at a time keeps no connection: the time counts from the first."""
    raw = connect()
    begin = time.monotonic()
    head = b"GET /health HTTP/1.1\r\n" + b"X-Slow: y\r\n" * 1000
    for index in range(0, len(head)):
        raw.send(head[index : index + 1])
        time.sleep(0.05)
        if time.monotonic() - begin > 1.5:
            break
    assert raw.read_reply().status == 408
    assert raw.is_closed()


def test_a_body_that_comes_too_slowly_is_408(connect):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n"
    assert refused(connect(), head.encode() + b'{"mess').status == 408


def test_a_silent_connection_is_closed_without_a_word(connect):
    assert connect().is_closed()


def test_pipelined_requests_are_answered_in_order(connect):
    raw = connect()
    raw.send(post(CHAT, SHORT) + request(path="/v1/models") + post("/tokenize", {"prompt": "Hi"}))
    kinds = [json.loads(raw.read_reply().body) for _ in range(3)]
    assert kinds[0]["object"] == "chat.completion"
    assert kinds[1]["object"] == "list"
    assert kinds[2]["count"] >= 1


def test_a_good_request_before_nonsense_is_answered(connect):
    raw = connect()
    raw.send(request(path="/v1/models") + b"nonsense\r\n\r\n")
    assert raw.read_reply().status == 200
    assert raw.read_reply().status == 400
    assert raw.is_closed()


def test_a_client_that_ends_its_side_early_costs_nothing(connect, server):
    raw = connect()
    raw.send(post(CHAT, SHORT)[:-10])
    raw.end_own_side()
    raw.is_closed()
    until(server.is_idle, "nothing waits for the rest of it")


@pytest.mark.parametrize("length", [1, 30, 120, 200])
def test_a_client_that_resets_anywhere_costs_nothing(connect, server, length):
    raw = connect()
    raw.send(post(CHAT, LONG)[:length])
    raw.reset()
    until(server.is_idle, "nothing waits for the rest of it")


BAD_BODIES = {
    "empty": b"",
    "half": b'{"messages": [',
    "a number": b"1",
    "an array": b"[]",
    "not UTF-8": b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "half a surrogate": b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    "an infinite number": b'{"temperature": 1e999, "messages": []}',
    "very deep": b"[" * 100_000,
    "zero bytes": b"\0" * 100,
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_no_json_object_is_400_and_keeps_the_connection(connect, body):
    raw = connect()
    raw.send(request("POST", CHAT, body))
    reply = raw.read_reply()
    assert reply.status == 400
    assert reply.error["type"] == "invalid_request_error"
    raw.send(request())
    assert raw.read_reply().status == 200


PATHS = ["/../../etc/passwd", "/chat-page/../../../etc/passwd", "/chat-page/%2e%2e/%2e%2e/etc/passwd",
         "/chat-page/%00", "/%", "/%zz", "//", "/v1/models/%ff%fe", "/" + "a/" * 2000]


@pytest.mark.parametrize("path", PATHS, ids=[path[:30] for path in PATHS])
def test_no_path_leads_out(connect, path):
    raw = connect()
    raw.send(request(path=path))
    reply = raw.read_reply()
    assert reply.status in (400, 404)
    assert b"root:" not in reply.body


def test_other_methods_are_405_and_say_which_there_are(connect):
    raw = connect()
    for method in ("DELETE", "PUT", "PATCH"):
        raw.send(request(method, CHAT))
        reply = raw.read_reply()
        assert reply.status == 405
        assert "POST" in reply.headers["allow"]


def test_a_request_id_begins_no_header(connect):
    raw = connect()
    raw.send(request(headers=["X-Request-Id: a\tb; c"]))
    assert raw.read_reply().headers["x-request-id"].startswith("req-")


def curl(server, *arguments):
    """Status and body."""
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}", *arguments], capture_output=True, check=False
    )
    body, _, status = done.stdout.rpartition(b"\n")
    return int(status), body


def test_curl_speaks_http_1_0(server):
    status, body = curl(server, "--http1.0", f"{server.url}/v1/models")
    assert status == 200
    assert json.loads(body)["object"] == "list"


def test_curl_is_asked_for_a_body_that_it_holds_back(server):
    body = json.dumps({**SHORT, "user": "x" * 100_000})
    status, reply = curl(
        server, "-H", "Expect: 100-continue", "-H", "Content-Type: application/json", "-d", body, f"{server.url}{CHAT}"
    )
    assert status == 200
    assert json.loads(reply)["choices"] == server.post(CHAT, SHORT)["choices"]


def test_curl_sends_chunks(server):
    status, reply = curl(
        server, "-H", "Transfer-Encoding: chunked", "-H", "Content-Type: application/json", "-d", json.dumps(SHORT),
        f"{server.url}{CHAT}",
    )
    assert status == 200
    assert json.loads(reply)["choices"] == server.post(CHAT, SHORT)["choices"]


def test_curl_streams(server):
    status, reply = curl(
        server, "-N", "-H", "Content-Type: application/json", "-d", json.dumps({**SHORT, "stream": True}),
        f"{server.url}{CHAT}",
    )
    events = [line[6:] for line in reply.decode().splitlines() if line.startswith("data: ")]
    assert status == 200
    assert events.pop() == "[DONE]"
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    whole = server.post(CHAT, SHORT)["choices"][0]["message"]["content"]
    assert "".join(delta.get("content") or "" for delta in deltas) == whole


def test_curl_with_http_2_from_the_start_gets_no_answer_of_http_2(server):
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "--http2-prior-knowledge", f"{server.url}/health"],
        capture_output=True, check=False,
    )
    assert done.returncode != 0
