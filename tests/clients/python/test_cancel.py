"""Clients that leave: their answers end, and what these held is free, as /metrics says."""

import asyncio

import httpx
import openai
import pytest

from raw_client import RawClient, post
from server_program import until

MESSAGES = [{"role": "user", "content": "Go on and on."}]
# The rest of the context: more than a second of computing, of which a client that leaves takes little.
ENDLESS = {"messages": MESSAGES, "ignore_eos": True, "max_tokens": 900, "temperature": 1, "seed": 1}


@pytest.fixture
def tokens_saved(server):
    """Checks that an answer was cancelled and not computed to its end."""
    computed = server.metric("generation_tokens_total")
    cancelled = server.metric("request_success_total", finished_reason="cancelled")
    ended = server.metric("request_success_total", finished_reason="length")

    def check(answers=1):
        until(server.is_idle, "its pages are free")
        assert server.metric("request_success_total", finished_reason="cancelled") == cancelled + answers
        assert server.metric("request_success_total", finished_reason="length") == ended
        assert server.metric("generation_tokens_total") < computed + 900 * answers

    return check


def until_it_runs(server):
    until(lambda: server.metric("num_requests_running") > 0, "it runs")
    assert server.metric("kv_cache_used_pages") > 0


def test_closing_a_stream_cancels(server, client, model, tokens_saved):
    fields = {**ENDLESS, "model": model}
    extra = {"ignore_eos": fields.pop("ignore_eos")}
    stream = client.chat.completions.create(**fields, stream=True, extra_body=extra)
    for _, _ in zip(range(3), stream):
        pass
    assert server.metric("kv_cache_used_pages") > 0
    stream.close()
    tokens_saved()


def test_several_answers_to_one_prompt_are_cancelled_together(server, client, model, tokens_saved):
    stream = client.chat.completions.create(
        model=model, messages=MESSAGES, n=3, max_tokens=900, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    stream.close()
    tokens_saved(answers=3)


def test_a_timeout_of_the_client_cancels_an_answer_that_is_not_streamed(client, model, tokens_saved):
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.2).chat.completions.create(
            model=model, messages=MESSAGES, max_tokens=900, extra_body={"ignore_eos": True}
        )
    tokens_saved()


def test_a_cancelled_task_cancels(server, model, tokens_saved):
    async def ask_and_leave():
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
            task = asyncio.ensure_future(
                client.chat.completions.create(
                    model=model, messages=MESSAGES, max_tokens=900, extra_body={"ignore_eos": True}
                )
            )
            await asyncio.to_thread(until_it_runs, server)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(ask_and_leave())
    tokens_saved()


def test_closing_a_stream_of_messages_cancels(anthropic_client, model, tokens_saved):
    # There is no ignore_eos here; without the tokens that end it an answer does not end.
    with anthropic_client.messages.stream(
        model=model, messages=MESSAGES, max_tokens=900, extra_body={"logit_bias": {"0": -100, "2": -100}}
    ) as stream:
        next(iter(stream))
    tokens_saved()


def test_closing_a_stream_of_responses_cancels(client, model, tokens_saved):
    stream = client.responses.create(
        model=model, input=MESSAGES, max_output_tokens=900, stream=True,
        extra_body={"logit_bias": {"0": -100, "2": -100}},
    )
    next(iter(stream))
    stream.close()
    tokens_saved()


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("leave", [RawClient.reset, RawClient.end_own_side, RawClient.__exit__])
def test_whichever_way_a_connection_ends_its_answer_is_cancelled(server, tokens_saved, leave, is_streamed):
    raw = RawClient(server.port)
    raw.send(post("/v1/chat/completions", {**ENDLESS, "stream": is_streamed}))
    until_it_runs(server)
    leave(raw)
    tokens_saved()
    raw.__exit__()


def test_a_neighbour_of_one_who_leaves_gets_its_answer(server):
    short = {**ENDLESS, "max_tokens": 120, "seed": 9}
    alone = server.post("/v1/chat/completions", short)["choices"]

    async def beside_one_who_leaves():
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            leaves = asyncio.ensure_future(client.post("/v1/chat/completions", json=ENDLESS))
            await asyncio.to_thread(until_it_runs, server)
            stays = asyncio.ensure_future(client.post("/v1/chat/completions", json=short))
            await asyncio.to_thread(until, lambda: server.metric("num_requests_running") > 1, "both run")
            leaves.cancel()
            return (await stays).json()["choices"]

    assert asyncio.run(beside_one_who_leaves()) == alone
    until(server.is_idle, "the other one's pages are free")
