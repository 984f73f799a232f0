// Reads server-sent events from the body of a response.

const kMostEvent = 4 << 20; // characters of one event

/** Yields the data of each event. Comments, which keep proxies awake, are skipped. */
export async function* eventData(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    while (true) {
      const {value, done} = await reader.read();
      if (done) return;
      const events = (rest + value).split(/\r?\n\r?\n/);
      rest = events.pop();
      if (rest.length > kMostEvent) throw new Error('the server sends an event that is too long');
      for (const event of events) {
        const lines = event.split(/\r?\n/).filter((line) => line.startsWith('data:'));
        if (lines.length > 0) yield lines.map((line) => line.slice(5).trimStart()).join('\n');
      }
    }
  } finally {
    await reader.cancel().catch(() => {}); // it may have failed, which the caller knows then
  }
}
