// The server's API, as far as this page needs it.
import {eventData} from './event_stream.js';

/** What the server answered instead, in its own words, and what may help. */
export class ServerError extends Error {
  constructor(message, {status = 0, code = '', remedy = ''} = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.remedy = remedy || kRemedies[code] || '';
  }
}

const kRemedies = {
  invalid_api_key: 'Enter another key under Settings, API key.',
  overloaded: 'Wait a moment, then retry.',
  context_length_exceeded: 'Begin a new conversation, or edit an early message to go on from there.',
  model_not_found: 'Pick another model above.',
  invalid_value: 'Change it under Settings, then retry.',
  no_chat_template: 'Serve a model that was trained for conversations.',
  model_loading: 'Wait a moment, then retry.',
  model_load_failed: 'Pick another model above, or tell whoever runs the server.',
  insufficient_memory: 'Pick another model above, or retry when other models are at rest.',
  engine_failed: 'Whoever runs the server has to start it again.',
};

async function fetchFrom(path, key, options) {
  const headers = key ? {authorization: `Bearer ${key}`} : {};
  if (options.body) headers['content-type'] = 'application/json';
  try {
    return await fetch(path, {...options, headers, cache: 'no-store'});
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ServerError('The server cannot be reached.', {
      code: 'unreachable',
      remedy: 'See whether trellis serve still runs, then retry.',
    });
  }
}

function errorOf(document, status) {
  const error = document?.error ?? {};
  const message = error.message ?? `The server answered with status ${status}.`;
  return new ServerError(message, {status, code: error.code ?? ''});
}

async function failureOf(response) {
  const text = await response.text();
  try {
    return errorOf(JSON.parse(text), response.status);
  } catch {
    return errorOf(null, response.status); // a proxy's own page, perhaps
  }
}

/** [{id, contextTokens, state}] */
export async function listModels(key) {
  const response = await fetchFrom('v1/models', key, {method: 'GET'});
  if (!response.ok) throw await failureOf(response);
  const document = await response.json();
  return document.data.map((model) => ({id: model.id, contextTokens: model.max_model_len, state: model.state}));
}

/** Yields the chunks of an answer. Throws a ServerError, or the signal's AbortError. */
export async function* streamChat(body, key, signal) {
  const request = {...body, stream: true, stream_options: {include_usage: true}};
  const response = await fetchFrom(
      'v1/chat/completions', key, {method: 'POST', body: JSON.stringify(request), signal});
  if (!response.ok) throw await failureOf(response);
  try {
    for await (const data of eventData(response.body)) {
      if (data === '[DONE]') return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw errorOf(chunk, response.status);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof ServerError || signal.aborted) throw error;
  }
  signal.throwIfAborted();
  throw new ServerError('The connection was cut before the answer was complete.', {
    code: 'cut_off',
    remedy: 'Continue, or retry.',
  });
}
