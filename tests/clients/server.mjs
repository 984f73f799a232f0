// `trellis serve` on the bundled model, for tests of clients. Each test file starts its own, at a free port.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {setTimeout as sleep} from 'node:timers/promises';

const kMostStartMs = 60_000;

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run these tests with: make test-clients`);
  return value;
}

async function untilReady(url) {
  const deadline = Date.now() + kMostStartMs;
  while (Date.now() < deadline) {
    const response = await fetch(`${url}/ready`);
    if (response.ok) return;
    await sleep(50);
  }
  throw new Error(`${url}/ready does not become 200`);
}

/** Starts a server with these further arguments. Returns {url, log(), stop()}. */
export async function startServer(...further) {
  const program = required('TRELLIS_PROGRAM');
  const child = spawn(
      program, ['serve', '-m', required('TRELLIS_MODEL'), '--backend', 'cpu', '--port', '0', ...further],
      {stdio: ['ignore', 'pipe', 'pipe']});
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (log += text));
  const ended = once(child, 'exit');
  const [line] = await Promise.race([
    once(createInterface({input: child.stdout}), 'line'),
    ended.then(([code]) => Promise.reject(new Error(`it ended with ${code} instead of starting: ${log}`))),
  ]);
  const url = /https?:\/\/\S+$/.exec(line)[0];
  await untilReady(url);
  return {
    url,
    log: () => log,
    async stop() {
      child.kill('SIGTERM');
      const [code] = await ended;
      if (code !== 0) throw new Error(`it ended with ${code}: ${log}`);
    },
  };
}
