"""Embeddings through the openai package, which asks for base64 unless it is told otherwise."""

import math

import pytest

TEXTS = ["A cat sat on the mat.", "Where is the station?", "Zwölf Boxkämpfer."]


@pytest.fixture(scope="module")
def embed(client, model):
    def ask(texts, **fields):
        return client.embeddings.create(**{"model": model, "input": texts, **fields})

    return ask


def vectors(answer):
    return [entry.embedding for entry in answer.data]


def norm(vector):
    return math.sqrt(math.fsum(value * value for value in vector))


def cosine(left, right):
    return math.fsum(a * b for a, b in zip(left, right)) / norm(left) / norm(right)


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_vectors_have_length_1_and_differ(embed, pooling):
    answer = embed(TEXTS, extra_body={"pooling": pooling})
    assert [entry.index for entry in answer.data] == [0, 1, 2]
    for vector in vectors(answer):
        assert norm(vector) == pytest.approx(1, abs=1e-5)
    first, second, third = vectors(answer)
    assert max(cosine(first, second), cosine(first, third), cosine(second, third)) < 0.999


def test_base64_holds_the_same_numbers(embed):
    as_base64 = vectors(embed(TEXTS))
    as_numbers = vectors(embed(TEXTS, encoding_format="float"))
    assert as_base64 == [pytest.approx(vector, rel=1e-6, abs=1e-9) for vector in as_numbers]


def test_a_text_has_the_vector_that_it_has_alone(embed):
    assert vectors(embed(TEXTS)) == [vectors(embed(text))[0] for text in TEXTS]


def test_many_texts_keep_their_order(embed):
    texts = [f"Text number {index}." for index in range(150)]
    together = vectors(embed(texts))
    assert len(together) == 150
    for index in (0, 63, 64, 65, 149):
        assert together[index] == vectors(embed(texts[index]))[0]


def test_ids_are_the_same_input_as_their_text(server, embed):
    ids = server.tokens(TEXTS[0])
    assert vectors(embed(ids)) == vectors(embed([ids])) == vectors(embed(TEXTS[0]))


def test_fewer_dimensions_are_the_first_ones_of_length_1_again(embed):
    (whole,) = vectors(embed(TEXTS[0]))
    (short,) = vectors(embed(TEXTS[0], dimensions=16))
    assert len(short) == 16
    length = norm(whole[:16])
    assert short == pytest.approx([value / length for value in whole[:16]], abs=1e-6)


def test_usage_counts_what_the_tokenizer_counts(server, embed):
    usage = embed(TEXTS).usage
    assert usage.prompt_tokens == usage.total_tokens == sum(len(server.tokens(text)) for text in TEXTS)


def test_a_mean_of_one_token_is_its_last_position(server, embed):
    ids = server.tokens(TEXTS[0])[:1]
    mean, last = (vectors(embed(ids, extra_body={"pooling": pooling}))[0] for pooling in ("mean", "last"))
    assert mean == pytest.approx(last, abs=1e-6)
