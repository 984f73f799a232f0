// OpenAI's package for Node.js: chats, streams, tools, forms, embeddings, responses, errors, and leaving.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';

import OpenAI from 'openai';

import {startServer} from './server.mjs';

const kMessages = [{role: 'user', content: 'Tell me a story.'}];
const kSchema = {
  type: 'object',
  properties: {
    place: {type: 'string', maxLength: 10},
    days: {type: 'integer', minimum: 1, maximum: 9},
    units: {enum: ['metric', 'imperial']},
  },
  required: ['place', 'days', 'units'],
  additionalProperties: false,
};
const kTools = [{type: 'function', function: {name: 'get_weather', description: 'The weather.', parameters: kSchema}}];

let server;
let client;
let model;

before(async () => {
  server = await startServer();
  client = new OpenAI({baseURL: `${server.url}/v1`, apiKey: 'unused', maxRetries: 0});
  model = (await client.models.list()).data[0].id;
});

after(() => server?.stop());

function chat(fields) {
  return client.chat.completions.create({model, messages: kMessages, max_tokens: 30, ...fields});
}

function textOf(answer, index = 0) {
  return answer.choices[index].message.content;
}

/** What the server answers to a POST, past the package. */
async function post(path, body) {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200);
  return response.json();
}

async function metric(name, labels = '') {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^trellis:${name}\\{[^}]*${labels}[^}]*\\} (.*)$`, 'm').exec(text)[1]);
}

/** Waits for what another process does and says nothing about. */
async function until(condition, what) {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, what);
    await sleep(10);
  }
}

/** Checks a call of get_weather against kSchema by hand. */
function checkArguments(text) {
  const value = JSON.parse(text);
  assert.deepEqual(Object.keys(value), ['place', 'days', 'units']);
  assert.ok(typeof value.place === 'string' && [...value.place].length <= 10);
  assert.ok(Number.isInteger(value.days) && value.days >= 1 && value.days <= 9);
  assert.ok(kSchema.properties.units.enum.includes(value.units));
}

test('a chat, its usage, and the same again', async () => {
  const answer = await chat({temperature: 0});
  const {count} = await post('/tokenize', {messages: kMessages});
  assert.equal(answer.usage.prompt_tokens, count);
  assert.equal(answer.usage.total_tokens, count + answer.usage.completion_tokens);
  assert.ok(textOf(answer).length > 10);
  assert.equal(textOf(await chat({temperature: 1, top_k: 1})), textOf(answer));
});

test('seeds and several answers', async () => {
  const several = await chat({n: 2, seed: 5, temperature: 1});
  assert.equal(textOf(several), textOf(await chat({seed: 5, temperature: 1})));
  assert.notEqual(textOf(several, 0), textOf(several, 1));
});

test('a stream has the text of the whole answer', async () => {
  const fields = {seed: 3, temperature: 1};
  const whole = await chat(fields);
  let text = '';
  let usage;
  let reason;
  let pieces = 0;
  for await (const chunk of await chat({...fields, stream: true, stream_options: {include_usage: true}})) {
    text += chunk.choices[0]?.delta.content ?? '';
    reason = chunk.choices[0]?.finish_reason ?? reason;
    usage = chunk.usage ?? usage;
    ++pieces;
  }
  assert.ok(pieces > 3);
  assert.equal(text, textOf(whole));
  assert.equal(reason, whole.choices[0].finish_reason);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test('the stream helper gathers the answer', async () => {
  const stream = client.chat.completions.stream({model, messages: kMessages, max_tokens: 30, temperature: 0});
  let text = '';
  stream.on('content', (delta) => (text += delta));
  assert.equal(await stream.finalContent(), textOf(await chat({temperature: 0})));
  assert.equal(text, await stream.finalContent());
});

test('stop strings and log probabilities', async () => {
  const whole = textOf(await chat({temperature: 0}));
  const stop = whole.slice(6, 10);
  assert.equal(textOf(await chat({temperature: 0, stop})), whole.slice(0, whole.indexOf(stop)));
  const answer = await chat({temperature: 0, logprobs: true, top_logprobs: 20});
  const entries = answer.choices[0].logprobs.content;
  assert.equal(entries.length, answer.usage.completion_tokens);
  for (const {logprob, top_logprobs: top} of entries) {
    assert.ok(logprob <= 0);
    assert.equal(logprob, top[0].logprob);
    assert.ok(top.reduce((sum, other) => sum + Math.exp(other.logprob), 0) <= 1 + 1e-5);
  }
});

test('a forced call, streamed and whole', async () => {
  const fields = {
    tools: kTools, tool_choice: 'required', parallel_tool_calls: false, temperature: 1.5, max_tokens: 300,
  };
  for (let seed = 0; seed < 4; ++seed) {
    const {message, finish_reason: reason} = (await chat({...fields, seed})).choices[0];
    assert.equal(reason, 'tool_calls');
    assert.equal(message.tool_calls.length, 1);
    checkArguments(message.tool_calls[0].function.arguments);
    const stream = client.chat.completions.stream({model, messages: kMessages, ...fields, seed});
    const streamed = await stream.finalFunctionToolCall();
    assert.deepEqual(
        [streamed.name, streamed.arguments],
        [message.tool_calls[0].function.name, message.tool_calls[0].function.arguments]);
  }
});

test('an automatic answer is text or calls', async () => {
  for (let seed = 0; seed < 4; ++seed) {
    const {message} = (await chat({tools: kTools, seed, temperature: 1.5, max_tokens: 300})).choices[0];
    for (const call of message.tool_calls ?? []) checkArguments(call.function.arguments);
    assert.ok(message.content || message.tool_calls);
  }
});

test('tools are run by the package, and their results come back', async () => {
  const places = [];
  const runner = client.chat.completions.runTools({
    model,
    messages: kMessages,
    max_tokens: 200,
    seed: 1,
    parallel_tool_calls: false,
    tool_choice: {type: 'function', function: {name: 'get_weather'}},
    tools: [{
      type: 'function',
      function: {
        name: 'get_weather',
        description: 'The weather.',
        parameters: kSchema,
        parse: JSON.parse,
        function: ({place}) => {
          places.push(place);
          return '21 degrees';
        },
      },
    }],
  });
  await runner.done();
  assert.equal(places.length, 1);
  assert.deepEqual(runner.messages.map((message) => message.role), ['user', 'assistant', 'tool']);
  assert.equal(runner.messages[2].content, '21 degrees');
});

test('an answer satisfies its schema', async () => {
  const form = {type: 'json_schema', json_schema: {name: 'forecast', schema: kSchema, strict: true}};
  for (let seed = 0; seed < 4; ++seed) {
    const answer = await chat({response_format: form, seed, temperature: 2, max_tokens: 200});
    assert.equal(answer.choices[0].finish_reason, 'stop');
    checkArguments(textOf(answer));
  }
});

test('embeddings, which the package takes as base64', async () => {
  const input = ['A cat sat on the mat.', 'Where is the station?'];
  const asBase64 = await client.embeddings.create({model, input});
  const asNumbers = await client.embeddings.create({model, input, encoding_format: 'float'});
  for (const [index, {embedding}] of asNumbers.data.entries()) {
    assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-5);
    assert.deepEqual(asBase64.data[index].embedding.map(Math.fround), embedding.map(Math.fround));
  }
  const counts = await Promise.all(input.map((prompt) => post('/tokenize', {prompt})));
  assert.equal(asNumbers.usage.prompt_tokens, counts[0].count + counts[1].count);
});

test('completions', async () => {
  const fields = {model, prompt: 'Once upon a time', max_tokens: 12, temperature: 0};
  const alone = await client.completions.create(fields);
  const echoed = await client.completions.create({...fields, echo: true});
  assert.equal(echoed.choices[0].text, fields.prompt + alone.choices[0].text);
});

test('responses, whole and as events', async () => {
  const fields = {model, input: kMessages[0].content, max_output_tokens: 30, temperature: 0};
  const response = await client.responses.create(fields);
  assert.equal(response.output_text, textOf(await chat({temperature: 0})));
  const kinds = [];
  let text = '';
  for await (const event of await client.responses.create({...fields, stream: true})) {
    kinds.push(event.type);
    if (event.type === 'response.output_text.delta') text += event.delta;
  }
  assert.equal(text, response.output_text);
  assert.equal(kinds[0], 'response.created');
  assert.equal(kinds.at(-1), `response.${response.status}`);
});

test('errors are of the package\'s classes and name the field', async () => {
  await assert.rejects(chat({temperature: -1}), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.deepEqual([error.param, error.code, error.type], ['temperature', 'invalid_value', 'invalid_request_error']);
    assert.match(error.requestID, /^req-/);
    return true;
  });
  await assert.rejects(chat({model: 'another-model'}), OpenAI.NotFoundError);
  const guarded = await startServer('--api-key', 'the-right-key');
  try {
    const stranger = new OpenAI({baseURL: `${guarded.url}/v1`, apiKey: 'a-wrong-key', maxRetries: 0});
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
    const friend = new OpenAI({baseURL: `${guarded.url}/v1`, apiKey: 'the-right-key', maxRetries: 0});
    assert.equal((await friend.models.list()).data[0].id, model);
  } finally {
    await guarded.stop();
  }
});

test('who aborts has cancelled', async () => {
  const endless = {ignore_eos: true, max_tokens: 900};
  const cancelled = () => metric('request_success_total', 'finished_reason="cancelled"');
  const isIdle = async () => (await metric('num_requests_running')) + (await metric('kv_cache_used_pages')) === 0;
  const before = await cancelled();

  for await (const chunk of await chat({...endless, stream: true})) {
    if (chunk.choices[0].delta.content) break;
  }
  await until(isIdle, 'the stream\'s pages are free');
  assert.equal(await cancelled(), before + 1);

  const controller = new AbortController();
  const answer = client.chat.completions.create(
      {model, messages: kMessages, ...endless}, {signal: controller.signal});
  const aborted = assert.rejects(answer, OpenAI.APIUserAbortError);
  await until(async () => (await metric('num_requests_running')) > 0, 'it runs');
  controller.abort();
  await aborted;
  await until(isIdle, 'the answer\'s pages are free');
  assert.equal(await cancelled(), before + 2);
});
