"""Chats through the openai package: text, streams, sampling, log probabilities, forms, usage."""

import asyncio
import json
import math

import jsonschema
import openai
import pydantic
import pytest

MESSAGES = [{"role": "user", "content": "Tell me a story."}]


@pytest.fixture(scope="module")
def chat(client, model):
    def ask(**fields):
        return client.chat.completions.create(**{"model": model, "messages": MESSAGES, "max_tokens": 40, **fields})

    return ask


def text_of(answer, index=0):
    return answer.choices[index].message.content


def streamed(chunks):
    """Texts and finish reasons by choice, and the usage."""
    texts, reasons, usage = {}, {}, None
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            assert choice.index not in reasons, "a choice goes on after its end"
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
    return texts, reasons, usage


def test_models_are_listed_and_found_by_name(client, model):
    assert [entry.id for entry in client.models.list()] == [model]
    found = client.models.retrieve(model)
    assert (found.object, found.owned_by, found.max_model_len) == ("model", "trellis", 1024)


def test_usage_counts_what_the_tokenizer_counts(server, chat):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Où est la gare ? 駅はどこ？"},
        {"role": "assistant", "content": "There."},
        {"role": "user", "content": "Where?"},
    ]
    answer = chat(messages=messages, max_tokens=9, extra_body={"ignore_eos": True})
    assert answer.usage.prompt_tokens == len(server.chat_tokens(messages))
    assert answer.usage.completion_tokens == 9
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 9
    assert answer.choices[0].finish_reason == "length"


def test_a_known_prompt_is_counted_as_cached(chat):
    messages = [{"role": "user", "content": "A prompt of some length. " * 5}]
    own = {"cache_salt": "of this test alone"}
    first, second = (chat(messages=messages, temperature=0, extra_body=own) for _ in range(2))
    assert first.usage.prompt_tokens_details.cached_tokens == 0
    assert 0 < second.usage.prompt_tokens_details.cached_tokens < second.usage.prompt_tokens
    assert text_of(first) == text_of(second)


def test_greedy_is_greedy_whichever_way_it_is_asked_for(chat):
    by_temperature = text_of(chat(temperature=0))
    assert len(by_temperature) > 20
    assert text_of(chat(temperature=0, seed=5)) == by_temperature
    assert text_of(chat(temperature=1, extra_body={"top_k": 1})) == by_temperature
    assert text_of(chat(temperature=1, top_p=1e-9)) == by_temperature


def test_the_same_seed_gives_the_same_answer_and_another_one_another(chat):
    answers = [text_of(chat(temperature=1, seed=seed)) for seed in (11, 12, 11, 12)]
    assert answers[:2] == answers[2:]
    assert answers[0] != answers[1]


def test_a_stream_has_the_text_of_the_whole_answer(chat):
    whole = chat(temperature=0.9, seed=3)
    texts, reasons, usage = streamed(
        chat(temperature=0.9, seed=3, stream=True, stream_options={"include_usage": True})
    )
    assert texts == {0: text_of(whole)}
    assert reasons == {0: whole.choices[0].finish_reason}
    assert usage.completion_tokens == whole.usage.completion_tokens
    assert usage.prompt_tokens == whole.usage.prompt_tokens


def test_a_stream_without_include_usage_has_none(chat):
    assert streamed(chat(stream=True))[2] is None


def test_the_stream_helper_accumulates_what_the_answer_is(client, model):
    fields = {"model": model, "messages": MESSAGES, "max_tokens": 20, "temperature": 0}
    whole = client.chat.completions.create(**fields)
    with client.chat.completions.stream(**fields) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert len(pieces) > 1
    assert "".join(pieces) == text_of(final) == text_of(whole)


def test_n_answers_differ_and_the_first_is_that_of_the_seed(chat):
    several = chat(n=3, seed=21, temperature=1)
    assert [choice.index for choice in several.choices] == [0, 1, 2]
    texts = [text_of(several, index) for index in range(3)]
    assert len(set(texts)) == 3
    alone = chat(seed=21, temperature=1)
    assert texts[0] == text_of(alone)
    assert several.usage.prompt_tokens == alone.usage.prompt_tokens
    assert streamed(chat(n=3, seed=21, temperature=1, stream=True))[0] == dict(enumerate(texts))


def test_n_greedy_answers_are_one(chat):
    texts = {choice.message.content for choice in chat(n=4, temperature=0).choices}
    assert len(texts) == 1


def test_an_answer_ends_before_its_stop_string(chat):
    whole = text_of(chat(temperature=0))
    words = whole.split(" ")
    stop = f" {words[3]}"
    cut = chat(temperature=0, stop=[stop, "never in it"])
    assert text_of(cut) == whole[: whole.index(stop)]
    assert cut.choices[0].finish_reason == "stop"
    texts, reasons, _ = streamed(chat(temperature=0, stop=stop, stream=True))
    assert (texts, reasons) == ({0: text_of(cut)}, {0: "stop"})


def test_log_probabilities_are_those_of_a_distribution(chat):
    answer = chat(temperature=0, logprobs=True, top_logprobs=20)
    entries = answer.choices[0].logprobs.content
    assert len(entries) == answer.usage.completion_tokens
    assert b"".join(bytes(entry.bytes) for entry in entries).decode().startswith(text_of(answer))
    for entry in entries:
        listed = [other.logprob for other in entry.top_logprobs]
        assert len(listed) == 20
        assert listed == sorted(listed, reverse=True)
        assert entry.logprob == listed[0], "a greedy token is the most probable one"
        assert entry.logprob <= 0
        assert 0 < sum(map(math.exp, listed)) <= 1 + 1e-5


def test_log_probabilities_are_those_of_the_same_text_as_a_prompt(server, chat, client, model):
    messages = [{"role": "user", "content": "Count to ten."}]
    fields = {"messages": messages, "temperature": 0, "logprobs": True, "max_tokens": 12}
    answer = chat(**fields, extra_body={"ignore_eos": True})
    said = [entry.logprob for entry in answer.choices[0].logprobs.content]
    prompt = server.chat_tokens(messages)
    again = prompt + server.tokens(text_of(answer))
    assert len(again) == len(prompt) + 12, "the text has other tokens when it is read; choose another prompt"
    read = client.completions.create(model=model, prompt=again, max_tokens=0, echo=True, logprobs=0)
    assert read.choices[0].logprobs.token_logprobs[len(prompt) :] == pytest.approx(said, abs=1e-4)


def test_log_probabilities_do_not_depend_on_the_temperature(chat):
    first = [
        chat(temperature=temperature, logprobs=True, top_logprobs=3, max_tokens=1).choices[0].logprobs.content[0]
        for temperature in (0, 2)
    ]
    assert first[0].top_logprobs == first[1].top_logprobs


def test_streamed_log_probabilities_are_those_of_the_whole_answer(chat):
    whole = chat(temperature=0, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    chunks = chat(temperature=0, logprobs=True, top_logprobs=2, stream=True)
    parts = [entry for chunk in chunks for choice in chunk.choices if choice.logprobs
             for entry in choice.logprobs.content]
    assert parts == whole


def test_a_biased_token_is_all_there_is(server, chat):
    (token,) = server.tokens("a")
    answer = chat(logit_bias={str(token): 100}, max_tokens=5, temperature=0)
    assert text_of(answer) == "aaaaa"


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_satisfies_its_schema(chat, seed):
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "maxLength": 12},
            "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 3},
            "pet": {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 5}]},
        },
        "required": ["name", "age", "tags", "pet"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    fields = {"response_format": form, "temperature": 2, "seed": seed, "max_tokens": 300}
    answer = chat(**fields)
    assert answer.choices[0].finish_reason == "stop"
    value = json.loads(text_of(answer))
    jsonschema.validate(value, schema)
    assert list(value) == list(schema["properties"])
    assert streamed(chat(**fields, stream=True))[0] == {0: text_of(answer)}


def test_a_type_is_parsed_from_the_answer(client, model):
    class Answer(pydantic.BaseModel):
        is_blue: bool
        count: int = pydantic.Field(ge=1, le=9)

    parsed = client.chat.completions.parse(
        model=model, messages=MESSAGES, response_format=Answer, temperature=2, seed=1, max_tokens=100
    )
    assert parsed.choices[0].message.parsed == Answer.model_validate_json(text_of(parsed))


def test_an_answer_is_one_of_the_choices(chat):
    answers = {
        text_of(chat(temperature=2, seed=seed, extra_body={"guided_choice": ["yes", "no", "maybe"]}))
        for seed in range(12)
    }
    assert answers <= {"yes", "no", "maybe"}
    assert len(answers) > 1


async def _ask_at_once(url, model, seeds):
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0) as client:
        answers = await asyncio.gather(*(
            client.chat.completions.create(
                model=model, messages=MESSAGES, max_tokens=30, temperature=1, seed=seed
            )
            for seed in seeds
        ))
    return [text_of(answer) for answer in answers]


def test_answers_side_by_side_are_those_one_by_one(server, chat, model):
    seeds = range(24)
    together = asyncio.run(_ask_at_once(server.url, model, seeds))
    assert together == [text_of(chat(max_tokens=30, temperature=1, seed=seed)) for seed in seeds]
