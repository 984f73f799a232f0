// One answer: the request that asks for it, and what comes until it ends, fails or is stopped.
import {ServerError, streamChat} from './api.js';

/** Speed and tokens of what has come. A chunk is taken for a token until the server has counted. */
class FigureCounter {
  constructor() {
    this.begin = performance.now();
    this.firstChunk = null;
    this.lastChunk = null;
    this.numChunks = 0;
    this.usage = null;
  }

  count(chunk) {
    if (chunk.usage) this.usage = chunk.usage;
    const delta = chunk.choices?.[0]?.delta ?? {};
    if (!delta.content && !delta.reasoning_content) return;
    this.lastChunk = performance.now();
    this.firstChunk ??= this.lastChunk;
    ++this.numChunks;
  }

  figures() {
    const tokens = this.usage?.completion_tokens ?? this.numChunks;
    const seconds = (this.lastChunk - this.firstChunk) / 1000;
    return {
      isCounted: this.usage !== null,
      promptTokens: this.usage?.prompt_tokens ?? null,
      tokens,
      tokensPerSecond: seconds > 0 ? (tokens - 1) / seconds : null,
      firstTokenSeconds: this.firstChunk === null ? null : (this.firstChunk - this.begin) / 1000,
    };
  }
}

/** Adds to the message what the model says, and calls onChange after each piece. Never throws. */
export async function fillAnswer(message, body, key, signal, onChange) {
  const counter = new FigureCounter();
  delete message.error;
  message.finish = 'stopped'; // so it is kept, should the page be left before the end
  try {
    for await (const chunk of streamChat(body, key, signal)) {
      counter.count(chunk);
      const choice = chunk.choices?.[0];
      message.content += choice?.delta?.content ?? '';
      message.reasoning += choice?.delta?.reasoning_content ?? '';
      if (choice?.finish_reason) message.finish = choice.finish_reason;
      message.figures = counter.figures();
      onChange();
    }
  } catch (error) {
    if (signal.aborted) return;
    message.finish = 'error';
    const {status = 0, code = '', remedy = ''} = error;
    message.error = {message: error.message, status, code, remedy};
    if (!(error instanceof ServerError)) console.error(error); // a bug of this page
  }
}
