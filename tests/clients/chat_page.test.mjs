// The chat page in a browser, on a server with a small model.
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {after, afterEach, before, test} from 'node:test';

import {openPage, startBrowser} from './browser.mjs';
import {startServer} from './server.mjs';

const kChatPath = '**/v1/chat/completions';
const kKey = 'the-right-key';

let browser;
let server;
let page;

before(async () => {
  server = await startServer('--model-name', 'first', '--model-name', 'second');
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

afterEach(async () => {
  const {complaints, origins} = page;
  await page.context().close();
  assert.deepEqual(complaints, []);
  assert.equal(origins.size, 1, `asked elsewhere, too: ${[...origins]}`);
});

async function open(options) {
  page = await openPage(browser, server.url, options);
  await page.locator('#model option').first().waitFor({state: 'attached'});
}

/** Has the page's requests changed on their way; what they were is in the array that is returned. */
async function changeRequests(change = {}) {
  const bodies = [];
  await page.unroute(kChatPath);
  await page.route(kChatPath, (route) => {
    const body = route.request().postDataJSON();
    bodies.push(body);
    return route.continue({postData: JSON.stringify({...body, ...change})});
  });
  return bodies;
}

/** What lets the model say this text and nothing else: a grammar. */
function saying(text) {
  return {guided_grammar: `start: ${JSON.stringify(text)}`};
}

async function send(text) {
  await page.getByLabel('Message', {exact: true}).fill(text);
  await page.keyboard.press('Enter');
}

async function sendAndWait(text) {
  await send(text);
  await untilIdle();
}

async function untilIdle() {
  await page.locator('#send').waitFor({state: 'visible'});
  await page.locator('.message.assistant[aria-busy=false]').last().waitFor();
}

async function setSampling(values) {
  const panel = page.locator('#settings');
  if (!(await panel.isVisible())) await page.getByRole('button', {name: 'Settings', exact: true}).click();
  for (const [label, value] of Object.entries(values)) await panel.getByLabel(label).fill(value);
}

/** The conversation as the page keeps it. */
async function kept() {
  return page.evaluate(() => {
    const id = JSON.parse(sessionStorage.getItem('trellis.open'));
    return JSON.parse(localStorage.getItem(`trellis.conversation.${id}`));
  });
}

async function metric(name) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^trellis:${name}\\{.*\\} (.*)$`, 'm').exec(text)[1]);
}

/** What the API answers, not streamed. */
async function answerOf(body) {
  const response = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200);
  return response.json();
}

test('answers are shown as they come, whole, with their figures', async () => {
  await open();
  await setSampling({'Seed': '7', 'Most tokens': '200'});
  const bodies = await changeRequests({ignore_eos: true});
  await page.evaluate(() => {
    window.lengths = [];
    new MutationObserver(() => {
      const body = document.querySelector('.message.assistant .markdown');
      if (body) window.lengths.push(body.textContent.length);
    }).observe(document.getElementById('log'), {subtree: true, childList: true, characterData: true});
  });

  await sendAndWait('Tell me a story.');

  const reference = await answerOf(
      {messages: [{role: 'user', content: 'Tell me a story.'}], seed: 7, max_tokens: 200, ignore_eos: true});
  const {messages} = await kept();
  assert.equal(messages[1].content, reference.choices[0].message.content);
  assert.ok(new Set(await page.evaluate(() => window.lengths)).size > 2, 'it came in one piece');
  const figures = await page.locator('.message.assistant .figures').textContent();
  assert.match(figures, /^200 tokens · \d+\.\d tokens\/s · first after \d\.\d\d s · ended at the limit of tokens$/);
  const used = reference.usage.prompt_tokens + 200;
  assert.equal(await page.locator('#context').textContent(), `${used} of 1024 tokens`);
  assert.equal(bodies[0].stream, true);
  assert.equal(bodies[0].temperature, undefined, 'what is left empty is the model\'s own');
});

test('Esc and the button stop an answer, and the server computes no more of it', async () => {
  await open();
  await changeRequests({ignore_eos: true, max_tokens: 900});
  for (const stop of [() => page.keyboard.press('Escape'), () => page.locator('#stop').click()]) {
    const finished = await metric('request_success_total');
    await send('Go on and on.');
    await page.locator('.message.assistant[aria-busy=true] .markdown p').last().waitFor();
    await stop();
    await untilIdle();
    assert.match(await page.locator('.message.assistant .figures').last().textContent(), /stopped$/);
    await page.waitForFunction(
        async () => / 0$/m.test((await (await fetch('metrics')).text()).match(/^trellis:num_requests_running.*/m)[0]));
    assert.equal(await metric('request_success_total'), finished, 'it was not cancelled but ended');
  }
  const {messages} = await kept();
  assert.equal(messages.length, 4);
  assert.ok(messages[1].content.length > 0);
});

test('a stopped answer goes on where it ended', async () => {
  await open();
  const bodies = await changeRequests(saying('one two three'));
  await setSampling({'Most tokens': '3'});
  await sendAndWait('Count.');
  const begin = (await kept()).messages[1].content;
  await changeRequests(saying(' and the rest'));
  await setSampling({'Most tokens': '50'});
  await page.getByRole('button', {name: 'Continue'}).click();
  await untilIdle();
  assert.equal((await kept()).messages[1].content, `${begin} and the rest`);
  assert.equal(bodies.length, 1);
});

test('a retry asks again with the same messages', async () => {
  await open();
  const bodies = await changeRequests();
  await setSampling({'Seed': '1', 'Most tokens': '12'});
  await sendAndWait('Name a thing.');
  await setSampling({'Seed': '2'});
  await page.getByRole('button', {name: 'Retry'}).click();
  await untilIdle();

  const messages = [{role: 'user', content: 'Name a thing.'}];
  const reference = await answerOf({messages, seed: 2, max_tokens: 12});
  assert.deepEqual(bodies.map((body) => body.messages), [messages, messages]);
  assert.deepEqual(
      (await kept()).messages.map((message) => message.content),
      ['Name a thing.', reference.choices[0].message.content]);
});

test('an edited message is gone on from, and what came after it is removed', async () => {
  await open();
  const bodies = await changeRequests(saying('Yes.'));
  await page.getByRole('button', {name: 'Settings', exact: true}).click();
  await page.getByLabel('System prompt').fill('Be brief.');
  await sendAndWait('One?');
  await sendAndWait('Two?');
  page.once('dialog', (dialog) => dialog.accept());
  await page.locator('.message.user').first().getByRole('button', {name: 'Edit'}).click();
  await page.getByLabel('The message').fill('Three?');
  await page.keyboard.press('Enter');
  await untilIdle();

  assert.deepEqual(bodies[1].messages.map((message) => message.role), ['system', 'user', 'assistant', 'user']);
  assert.deepEqual(bodies[2].messages, [
    {role: 'system', content: 'Be brief.'}, {role: 'user', content: 'Three?'},
  ]);
  assert.deepEqual(await page.locator('.message .body').allInnerTexts(), ['Three?', 'Yes.']);
});

test('markup that a model or a user writes is shown and never executed', async () => {
  await open();
  const markup = '<img src=x onerror="window.executed=1"><script>window.executed=1</script>';
  await changeRequests(saying(
      `${markup}\n\n[a](javascript:window.executed=1) **bold** ![i](https://x.example/i.png)\n\n` +
      '```html\n<b onclick="window.executed=1">x</b>\n```\n'));
  await sendAndWait(markup);

  const answer = page.locator('.message.assistant .markdown');
  assert.equal(await answer.locator('p').first().textContent(), markup);
  assert.equal(await answer.locator('strong').textContent(), 'bold');
  assert.equal(await answer.locator('pre code').textContent(), '<b onclick="window.executed=1">x</b>');
  assert.equal(await page.locator('.message.user .body').textContent(), markup);
  assert.equal(await page.locator('#log :is(img, script, iframe, b)').count(), 0);
  const links = await answer.locator('a').evaluateAll((nodes) => nodes.map((node) => [node.href, node.rel]));
  assert.deepEqual(links, [['https://x.example/i.png', 'noopener noreferrer nofollow']]);
  assert.equal(await page.evaluate(() => window.executed), undefined);
  // Were there a hole in the page, the browser itself would refuse.
  const refused = await page.evaluate(() => {
    try {
      document.createElement('p').innerHTML = '<b>x</b>';
      return '';
    } catch (error) {
      return error.name;
    }
  });
  assert.equal(refused, 'TypeError');
  page.complaints = page.complaints.filter((text) => !text.includes('TrustedHTML'));
});

test('code is copied as the model wrote it', async () => {
  await open({permissions: ['clipboard-read', 'clipboard-write']});
  await changeRequests(saying('```py\nif a:\n    b = "*c*"\n```'));
  await sendAndWait('Code, please.');
  await page.locator('.code').getByRole('button', {name: 'Copy'}).click();
  await page.locator('.code').getByRole('button', {name: 'Copied'}).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'if a:\n    b = "*c*"');
});

test('reasoning is folded away and not sent back', async () => {
  await open();
  const events = [{reasoning_content: 'Let me '}, {reasoning_content: 'think.'}, {content: 'Done.'}].map(
      (delta) => `data: ${JSON.stringify({choices: [{index: 0, delta, finish_reason: null}]})}\n\n`);
  await page.route(kChatPath, (route) => route.fulfill({
    contentType: 'text/event-stream',
    body: `${events.join('')}data: [DONE]\n\n`,
  }));
  await sendAndWait('Think.');
  const details = page.locator('details.reasoning');
  assert.equal(await details.locator('pre').textContent(), 'Let me think.');
  assert.equal(await details.locator('pre').isVisible(), false);
  await details.locator('summary').click();
  assert.equal(await details.locator('pre').isVisible(), true);
  const bodies = await changeRequests(saying('Yes.'));
  await sendAndWait('And?');
  assert.deepEqual(bodies[0].messages[1], {role: 'assistant', content: 'Done.'});
});

test('the model that is picked is asked, also after a reload', async () => {
  await open();
  assert.deepEqual(await page.locator('#model option').allTextContents(), ['first', 'second']);
  await page.getByLabel('Model').selectOption('second');
  await page.reload();
  await page.locator('#model option').first().waitFor({state: 'attached'});
  const bodies = await changeRequests(saying('Yes.'));
  await sendAndWait('Who?');
  assert.equal(bodies[0].model, 'second');
});

test('an answer whose model is loaded first says so', async () => {
  await open();
  let isLoading = true;
  await page.route('**/v1/models', async (route) => {
    const response = await route.fetch();
    const models = await response.json();
    for (const model of models.data) model.state = isLoading ? 'loading' : 'ready';
    return route.fulfill({response, json: models});
  });
  let goOn;
  const loaded = new Promise((resolve) => (goOn = resolve));
  await page.route(kChatPath, async (route) => {
    await loaded;
    return route.continue();
  });

  await send('Are you there?');
  const notice = page.locator('.message.assistant .waits-for');
  await page.waitForFunction(
      () => document.querySelector('.message.assistant .waits-for')?.textContent === 'Loading first…');
  isLoading = false;
  goOn();
  await untilIdle();

  assert.equal(await notice.textContent(), '');
});

test('conversations stay in the browser, can be taken out as a file and deleted', async () => {
  await open();
  await changeRequests(saying('Yes.'));
  await sendAndWait('First talk');
  await page.getByRole('button', {name: 'New conversation'}).click();
  await sendAndWait('Second talk');
  await page.reload();
  assert.deepEqual(await page.locator('#conversations .title').allTextContents(), ['Second talk', 'First talk']);
  assert.equal(await page.locator('.message.user .body').textContent(), 'Second talk');

  await page.getByRole('button', {name: 'First talk', exact: true}).click();
  const [download] = await Promise.all([
    page.waitForEvent('download'), page.getByRole('button', {name: 'Export'}).click(),
  ]);
  assert.equal(download.suggestedFilename(), 'First-talk.json');
  assert.deepEqual(JSON.parse(await readFile(await download.path(), 'utf8')), {
    title: 'First talk',
    messages: [{role: 'user', content: 'First talk'}, {role: 'assistant', content: 'Yes.'}],
  });

  page.once('dialog', (dialog) => dialog.accept());
  await page.getByRole('button', {name: 'Delete “First talk”'}).click();
  assert.deepEqual(await page.locator('#conversations .title').allTextContents(), ['Second talk']);
  assert.equal(await page.locator('.message').count(), 0);
  await page.reload();
  assert.deepEqual(await page.locator('#conversations .title').allTextContents(), ['Second talk']);
});

test('an error of the server is shown in its words, and a retry mends it', async () => {
  await open();
  await setSampling({'Temperature': '1000'});
  await sendAndWait('Hello');
  const error = page.locator('.message .error');
  assert.match(await error.innerText(), /temperature.*\n.*Change it under Settings, then retry\./s);
  await page.getByRole('button', {name: 'Use the model\'s own'}).click();
  await changeRequests(saying('Yes.'));
  await page.getByRole('button', {name: 'Retry'}).click();
  await untilIdle();
  assert.equal(await error.isVisible(), false);
  assert.equal((await kept()).messages.length, 2);
  page.complaints = page.complaints.filter((text) => !text.includes('status of 400'));
});

test('a server that is gone is named, and the text is kept', async () => {
  await open();
  await page.route(kChatPath, (route) => route.abort('connectionrefused'));
  await sendAndWait('Are you there?');
  assert.match(await page.locator('.message .error').innerText(), /cannot be reached/);
  await page.unroute(kChatPath);
  await changeRequests(saying('Yes.'));
  await page.getByRole('button', {name: 'Retry'}).click();
  await untilIdle();
  assert.deepEqual((await kept()).messages.map((message) => message.content), ['Are you there?', 'Yes.']);
  page.complaints = page.complaints.filter((text) => !text.includes('ERR_CONNECTION_REFUSED'));
});

test('a key is asked for, a wrong one refused, and the right one kept as long as wanted', async () => {
  const guarded = await startServer('--api-key', kKey);
  try {
    page = await openPage(browser, guarded.url);
    const dialog = page.getByRole('dialog', {name: 'API key'});
    await dialog.getByText('This server answers only with a key.').waitFor();
    await dialog.getByLabel('The key').fill('wrong');
    await page.keyboard.press('Enter');
    await dialog.getByText('The server refuses this key.').waitFor();
    await dialog.getByLabel('The key').fill(kKey);
    await page.keyboard.press('Enter');
    await page.locator('#model option').first().waitFor({state: 'attached'});
    assert.equal(await dialog.isVisible(), false);
    assert.equal(await page.locator('#notice').isVisible(), false);
    const places = () => page.evaluate(() => [sessionStorage, localStorage].map((at) => at.getItem('trellis.key')));
    assert.deepEqual(await places(), [`"${kKey}"`, null]);
    await changeRequests(saying('Yes.'));
    await sendAndWait('Hello');
    assert.equal(await page.locator('.message.assistant .markdown').innerText(), 'Yes.');

    await page.getByRole('button', {name: 'Settings', exact: true}).click();
    await page.getByRole('button', {name: 'API key…'}).click();
    await dialog.getByLabel('Keep it in this browser').check();
    const asked = page.waitForResponse('**/v1/models'); // with the key, for which the server must still be there
    await dialog.getByRole('button', {name: 'Use this key'}).click();
    await asked;
    assert.deepEqual(await places(), [null, `"${kKey}"`]);
    page.complaints = page.complaints.filter((text) => !text.includes('status of 401'));
  } finally {
    await guarded.stop();
  }
});

test('the keyboard is enough', async () => {
  await open();
  await changeRequests(saying('Yes.'));
  await page.keyboard.type('a'); // the message field has the focus from the start
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('b');
  await page.keyboard.press('Enter');
  await untilIdle();
  assert.equal((await kept()).messages[0].content, 'a\nb');
  // From the field backwards: the log's buttons, each with a frame that shows where one is.
  await page.keyboard.press('Shift+Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Continue');
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');
});

test('nothing is wider than a narrow screen', async () => {
  await open({viewport: {width: 320, height: 568}});
  const wide = 'x'.repeat(100);
  await changeRequests(saying(`${wide}\n\n\`\`\`\n${wide}\n\`\`\`\n\n| ${wide} | b |\n|---|---|\n| 1 | 2 |`));
  const fits = () => page.evaluate(() => [document.documentElement, document.body, document.getElementById('log')]
      .every((node) => node.scrollWidth <= node.clientWidth));
  assert.ok(await fits());
  await sendAndWait(`${wide} and more`);
  assert.equal(await page.locator('#log :is(.code, table)').count(), 2);
  const isAtEnd = await page.locator('#log').evaluate(
      (log) => log.scrollTop > 0 && log.scrollHeight - log.scrollTop - log.clientHeight < 2);
  assert.ok(isAtEnd, 'the end of the answer is out of sight');
  assert.ok(await fits());
  for (const name of ['Settings', 'Conversations']) {
    await page.getByRole('button', {name, exact: true}).click();
    assert.ok(await fits());
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#shade').isVisible(), false);
  }
});

test('colours follow the system, or the switch', async () => {
  await open({colorScheme: 'dark'});
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await page.emulateMedia({colorScheme: 'light'});
  const light = await background();
  assert.notEqual(dark, light);
  await page.getByRole('button', {name: 'Settings', exact: true}).click();
  await page.getByLabel('Colours').selectOption('dark');
  assert.equal(await background(), dark);
  await page.reload();
  assert.equal(await background(), dark);
});
