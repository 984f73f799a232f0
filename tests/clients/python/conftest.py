"""Fixtures: a server for the tests of one file, and clients of it as their users make them."""

import anthropic
import openai
import pytest

from server_program import ServerProgram


@pytest.fixture(scope="module")
def server():
    with ServerProgram() as program:
        yield program
        assert program.is_idle(), "a test has left requests or pages behind"


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def anthropic_client(server):
    with anthropic.Anthropic(base_url=server.url, api_key="unused", max_retries=0, timeout=60) as made:
        yield made


@pytest.fixture(scope="module")
def model(client):
    return client.models.list().data[0].id
