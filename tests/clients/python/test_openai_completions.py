"""Completions through the openai package: texts that go on, echoes and their log probabilities, several prompts."""

import pytest

PROMPT = "Once upon a time there was a"


@pytest.fixture(scope="module")
def complete(client, model):
    def ask(**fields):
        defaults = {"model": model, "prompt": PROMPT, "max_tokens": 16, "temperature": 0}
        return client.completions.create(**{**defaults, **fields})

    return ask


def test_usage_counts_what_the_tokenizer_counts(server, complete):
    answer = complete(extra_body={"ignore_eos": True})
    assert answer.usage.prompt_tokens == len(server.tokens(PROMPT))
    assert answer.usage.completion_tokens == 16
    assert answer.choices[0].finish_reason == "length"


def test_ids_are_the_same_prompt_as_their_text(server, complete):
    assert complete(prompt=server.tokens(PROMPT)).choices[0].text == complete().choices[0].text


def test_each_prompt_has_the_answer_that_it_has_alone(complete):
    prompts = [PROMPT, "The sea is", "My name is"]
    together = complete(prompt=prompts)
    alone = [complete(prompt=prompt) for prompt in prompts]
    assert [choice.index for choice in together.choices] == [0, 1, 2]
    assert [choice.text for choice in together.choices] == [answer.choices[0].text for answer in alone]
    assert together.usage.prompt_tokens == sum(answer.usage.prompt_tokens for answer in alone)


def test_a_stream_has_the_texts_of_the_whole_answers(complete):
    fields = {"prompt": [PROMPT, "The sea is"], "n": 2, "seed": 8, "temperature": 1}
    texts, reasons = [""] * 4, [None] * 4
    for chunk in complete(**fields, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            reasons[choice.index] = choice.finish_reason or reasons[choice.index]
    whole = complete(**fields).choices
    assert texts == [choice.text for choice in whole]
    assert reasons == [choice.finish_reason for choice in whole]
    assert texts[0] != texts[1]


def test_an_echo_puts_the_prompt_before_the_answer(complete):
    assert complete(echo=True).choices[0].text == PROMPT + complete().choices[0].text


def test_the_log_probabilities_of_a_text_alone(server, complete):
    ids = server.tokens(PROMPT)
    answer = complete(echo=True, max_tokens=0, logprobs=5)
    listed = answer.choices[0].logprobs
    assert answer.choices[0].text == PROMPT
    assert answer.usage.completion_tokens == 0
    assert len(listed.tokens) == len(listed.token_logprobs) == len(ids)
    assert "".join(listed.tokens) == PROMPT
    assert listed.text_offset == [PROMPT.index(listed.tokens[0])] + [
        len("".join(listed.tokens[:count])) for count in range(1, len(ids))
    ]
    assert listed.token_logprobs[0] is None
    assert all(value <= 0 for value in listed.token_logprobs[1:])


def test_what_was_said_has_the_log_probabilities_it_was_said_with(server, complete):
    said = complete(logprobs=0, max_tokens=5, extra_body={"ignore_eos": True}).choices[0]
    ids = server.tokens(PROMPT)
    read = complete(prompt=PROMPT + said.text, echo=True, max_tokens=0, logprobs=0).choices[0].logprobs
    assert read.tokens[len(ids) :] == said.logprobs.tokens
    assert read.token_logprobs[len(ids) :] == pytest.approx(said.logprobs.token_logprobs, abs=1e-4)


def test_a_greedy_token_is_the_first_of_its_alternatives(complete):
    listed = complete(logprobs=5).choices[0].logprobs
    for token, logprob, top in zip(listed.tokens, listed.token_logprobs, listed.top_logprobs):
        assert top[token] == logprob == max(top.values())


def test_an_answer_ends_before_its_stop_string(complete):
    whole = complete(extra_body={"ignore_eos": True}).choices[0].text
    stop = whole[5:9]
    cut = complete(stop=stop).choices[0]
    assert cut.text == whole[: whole.index(stop)]
    assert cut.finish_reason == "stop"


def test_the_same_seed_gives_the_same_answer(complete):
    texts = [complete(temperature=1, seed=seed).choices[0].text for seed in (1, 2, 1)]
    assert texts[0] == texts[2] != texts[1]


def test_what_is_banned_does_not_come(complete):
    whole = complete(max_tokens=40, extra_body={"ignore_eos": True}).choices[0].text
    word = max(whole.split(), key=len)
    banned = {"ignore_eos": True, "banned_strings": [word]}
    assert word.lower() not in complete(max_tokens=40, extra_body=banned).choices[0].text.lower()
