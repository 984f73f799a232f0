"""256 streams at once, of which some are left at random: the others are whole, and nothing of any of them stays.

TRELLIS_LOAD_SECONDS says for how long (20 by default).
"""

import asyncio
import json
import os
import random
import time

import httpx
import pytest

from raw_client import request
from server_program import ServerProgram, required, until

CHAT = "/v1/chat/completions"
SECONDS = float(os.environ.get("TRELLIS_LOAD_SECONDS", "20"))
NUM_STREAMS = 256
NUM_REQUESTS = 300  # different ones
PART_THAT_LEAVES = 0.3
MOST_SILENCE_S = 60

# What resident memory may grow after the first quarter, by when pools and buffers have their sizes.
MOST_GROWTH = 0.05
MOST_GROWTH_BYTES = 8 << 20

WORDS = "sun moon river stone bread night cold green walk sing open little seven north paper clock".split()


def request_number(number):
    """Some begin alike, some are long, some end by themselves."""
    chance = random.Random(number)
    words = " ".join(chance.choice(WORDS) for _ in range(chance.randrange(2, 60)))
    head = [{"role": "system", "content": "Answer with a story, whatever is asked."}] if chance.random() < 0.5 else []
    return {
        "messages": [*head, {"role": "user", "content": words}],
        "max_tokens": chance.randrange(1, 300),
        "temperature": chance.choice([0, 0.7, 1.5]),
        "seed": number,
        "ignore_eos": chance.random() < 0.7,
    }


def answers_alone(url):
    """Text and finish reason of each request, one after another and not streamed."""
    answers = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for number in range(NUM_REQUESTS):
            (choice,) = client.post(CHAT, json=request_number(number)).json()["choices"]
            answers.append((choice["message"]["content"], choice["finish_reason"]))
    return answers


def body_of(reply):
    """The body of a reply that came in chunks. Past httpx, which would be what limits the load."""
    head, rest = reply.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 "), reply
    body = []
    while True:
        size, rest = rest.split(b"\r\n", 1)
        length = int(size, 16)
        if length == 0:
            return b"".join(body)
        body.append(rest[:length])
        rest = rest[length + 2 :]


def read_events(body):
    """Text and finish reason of a stream that must be whole."""
    events = body.decode().removesuffix("\n\n").split("\n\n")
    assert events.pop() == "data: [DONE]", "a stream ended without [DONE]"
    text, reason = "", None
    for event in events:
        if event == ": ping":  # where it has waited for long
            continue
        assert reason is None, "a stream goes on after its end"
        (choice,) = json.loads(event.removeprefix("data: "))["choices"]
        text += choice["delta"].get("content") or ""
        reason = choice["finish_reason"]
    return text, reason


class Load:
    """NUM_STREAMS clients, each of which asks one request after another and checks each answer."""

    def __init__(self, port, expected):
        self._port = port
        self._expected = expected
        self._chance = random.Random(1)
        self.num_whole = 0
        self.num_left = 0

    async def run(self, end):
        """Until that time, and until all that was begun is answered."""
        async with asyncio.TaskGroup() as group:
            for _ in range(NUM_STREAMS):
                group.create_task(self._ask_until(end))

    async def _ask_until(self, end):
        while time.monotonic() < end:
            number = self._chance.randrange(NUM_REQUESTS)
            # With a salt of its own a request finds nothing computed, with the common one whatever there is.
            salt = str(self._chance.random()) if self._chance.random() < 0.5 else ""
            leaves_after = self._chance.randrange(3000) if self._chance.random() < PART_THAT_LEAVES else None
            await self._ask(number, salt, leaves_after)

    async def _ask(self, number, salt, leaves_after):
        """leaves_after: how many bytes of the reply it waits for at least; None: all."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        reply = bytearray()
        try:
            body = {**request_number(number), "cache_salt": salt, "stream": True}
            writer.write(request("POST", CHAT, json.dumps(body).encode(), ["Connection: close"]))
            while leaves_after is None or len(reply) < leaves_after:
                piece = await asyncio.wait_for(reader.read(1 << 16), MOST_SILENCE_S)
                if not piece:
                    break
                reply += piece
            else:
                self.num_left += 1
                return
        finally:
            writer.transport.abort()
        if leaves_after is None:
            assert read_events(body_of(bytes(reply))) == self._expected[number], f"request {number}"
            self.num_whole += 1


@pytest.fixture(scope="module")
def server():
    # Too few pages and places for all of them, so that most wait while others are computed.
    sizes = ["--max-sequences", "64", "--cache-tokens", "8192", "--log-level", "warn"]
    with ServerProgram(*sizes, model=required("TRELLIS_TINY_MODEL")) as program:
        yield program


def test_streams_that_are_not_left_are_those_of_the_same_requests_alone(server):
    load = Load(server.port, answers_alone(server.url))
    begin = time.monotonic()
    asyncio.run(load.run(begin + SECONDS / 4))
    until(server.is_idle, "all pages are free after the first quarter")
    warm = server.resident_bytes()

    asyncio.run(load.run(begin + SECONDS))

    until(server.is_idle, "all pages are free at the end")
    grown = server.resident_bytes() - warm
    print(f"{load.num_whole} whole, {load.num_left} left, "
          f"{warm / (1 << 20):.1f} MiB resident, {grown / (1 << 20):+.1f} MiB by the end")
    assert load.num_whole >= NUM_STREAMS
    assert load.num_left >= NUM_STREAMS / 4
    assert server.metric("request_success_total", finished_reason="error") == 0
    assert server.metric("request_success_total", finished_reason="cancelled") > 0
    assert grown <= max(MOST_GROWTH * warm, MOST_GROWTH_BYTES)
