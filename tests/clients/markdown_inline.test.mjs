// The inline parser of the chat page, on hand-worked examples.
import assert from 'node:assert/strict';
import test from 'node:test';

import {parseInline, safeAddress} from '../../src/server/chat_page/markdown_inline.js';

const text = (value) => ({type: 'text', text: value});
const link = (href, ...spans) => ({type: 'link', href, spans});
const spansOf = (type) => (...spans) => ({type, spans});
const strong = spansOf('strong');
const emphasis = spansOf('emphasis');

test('markers in pairs', () => {
  assert.deepEqual(parseInline('a **b *c*** _d_ ~~e~~'), [
    text('a '), strong(text('b '), emphasis(text('c'))), text(' '), emphasis(text('d')), text(' '),
    {type: 'struck', spans: [text('e')]},
  ]);
});

test('markers without a partner are text', () => {
  assert.deepEqual(parseInline('2 * 3 * 4, **a, snake_case_name, ****'), [
    text('2 * 3 * 4, **a, snake_case_name, ****'),
  ]);
  assert.deepEqual(parseInline('**a *b**'), [strong(text('a *b'))]);
});

test('code keeps markers and takes as many backticks as began it', () => {
  assert.deepEqual(parseInline('`*a*` `` b`c `` `d'), [
    {type: 'code', text: '*a*'}, text(' '), {type: 'code', text: 'b`c'}, text(' `d'),
  ]);
});

test('a backslash takes the meaning of what follows', () => {
  assert.deepEqual(parseInline('\\*a\\* \\`b\\` \\n'), [text('*a* `b` \\n')]);
});

test('lines break where they do in the text', () => {
  assert.deepEqual(parseInline('a\nb'), [text('a'), {type: 'break'}, text('b')]);
});

test('markup is text', () => {
  const markup = '<img src=x onerror=alert(1)><script>alert(1)</script>&lt;';
  assert.deepEqual(parseInline(markup), [text(markup)]);
});

test('links to the web and to mail', () => {
  assert.deepEqual(parseInline('[a **b**](https://x.org/(y) "title")'), [
    link('https://x.org/(y)', text('a '), strong(text('b'))),
  ]);
  assert.deepEqual(parseInline('<mailto:a@b.org>'), [link('mailto:a@b.org', text('mailto:a@b.org'))]);
  assert.deepEqual(parseInline('see https://x.org/a_b_c. (http://y.org)'), [
    text('see '), link('https://x.org/a_b_c', text('https://x.org/a_b_c')), text('. ('),
    link('http://y.org', text('http://y.org')), text(')'),
  ]);
});

test('other addresses are text', () => {
  for (const address of ['javascript:alert(1)', ' JaVaScRiPt:alert(1)', 'data:text/html,x', '/path', 'file:///a',
    'vbscript:x', 'java\nscript:alert(1)', 'https:', '\u0001javascript:x', 'http://a b']) {
    assert.equal(safeAddress(address), null, address);
  }
  assert.deepEqual(parseInline('[a](javascript:b)'), [text('[a](javascript:b)')]);
});

test('images become links', () => {
  assert.deepEqual(parseInline('![cat](https://x.org/c.png)'), [link('https://x.org/c.png', text('cat'))]);
  assert.deepEqual(parseInline('![](https://x.org/c.png)'), [
    link('https://x.org/c.png', text('https://x.org/c.png')),
  ]);
});

test('there are no links in links', () => {
  assert.deepEqual(parseInline('[a https://y.org](https://x.org)'), [link('https://x.org', text('a https://y.org'))]);
});

test('long lines of markers are read in linear time', () => {
  const begin = performance.now();
  for (const part of ['*a ', '**a', '_a ', '`', '[', '![a](', '`a``b```c', '~~a', '<http://', 'http://']) {
    parseInline(part.repeat(Math.floor(50_000 / part.length)));
  }
  assert.ok(performance.now() - begin < 4000);
});
