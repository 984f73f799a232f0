// The chat page's reader of server-sent events, whichever way the bytes are cut.
import assert from 'node:assert/strict';
import test from 'node:test';

import {eventData} from '../../src/server/chat_page/event_stream.js';

function bodyOf(bytes, size) {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });
}

test('events come whole', async () => {
  const bytes = new TextEncoder().encode(
      ': ping\n\ndata: {"a": "ä\u{1F600}"}\n\nevent: x\ndata: one\ndata: two\n\r\ndata:[DONE]\n\ndata: cut');
  for (let size = 1; size <= bytes.length; ++size) {
    const events = [];
    for await (const data of eventData(bodyOf(bytes, size))) events.push(data);
    assert.deepEqual(events, ['{"a": "ä\u{1F600}"}', 'one\ntwo', '[DONE]'], `pieces of ${size}`);
  }
});

test('an event without an end is refused', async () => {
  const bytes = new Uint8Array(5 << 20).fill(0x61);
  await assert.rejects(async () => {
    for await (const data of eventData(bodyOf(bytes, 1 << 16))) assert.fail(data);
  }, /too long/);
});
