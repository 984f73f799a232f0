// The block parser of the chat page, on hand-worked examples.
import assert from 'node:assert/strict';
import test from 'node:test';

import {parseBlocks} from '../../src/server/chat_page/markdown_blocks.js';

/** The blocks without the text that each was made from. */
function blocks(text) {
  return JSON.parse(JSON.stringify(parseBlocks(text), (key, value) => (key === 'raw' ? undefined : value)));
}

function paragraph(text) {
  return {type: 'paragraph', text};
}

test('paragraphs end at a blank line and keep their lines', () => {
  assert.deepEqual(blocks('one\ntwo\n\n\nthree'), [paragraph('one\ntwo'), paragraph('three')]);
});

test('headings have one to six marks and a space', () => {
  assert.deepEqual(blocks('# A #\n###### B\n####### C\n#D'), [
    {type: 'heading', level: 1, text: 'A'},
    {type: 'heading', level: 6, text: 'B'},
    paragraph('####### C\n#D'),
  ]);
});

test('code keeps its lines as they are, whatever they hold', () => {
  assert.deepEqual(blocks('```js title\n# no heading\n\n  <b>\n```\nafter'), [
    {type: 'code', language: 'js', text: '# no heading\n\n  <b>'},
    paragraph('after'),
  ]);
});

test('code that is still being written goes to the end', () => {
  assert.deepEqual(blocks('text\n~~~\na\n```\nb'), [
    paragraph('text'),
    {type: 'code', language: '', text: 'a\n```\nb'},
  ]);
});

test('a longer fence holds a shorter one', () => {
  assert.deepEqual(blocks('````\n```\n````'), [{type: 'code', language: '', text: '```'}]);
});

test('lists nest by indentation and hold blocks', () => {
  assert.deepEqual(blocks('- a\n  - b\n- c\n\n  ```\n  x\n   y\n  ```'), [{
    type: 'list', ordered: false, start: 1,
    items: [
      [paragraph('a'), {type: 'list', ordered: false, start: 1, items: [[paragraph('b')]]}],
      [paragraph('c'), {type: 'code', language: '', text: 'x\n y'}],
    ],
  }]);
});

test('ordered lists begin with their number, also with blank lines between', () => {
  assert.deepEqual(blocks('3. a\n\n4. b\ngoes on\n\nafter'), [
    {type: 'list', ordered: true, start: 3, items: [[paragraph('a')], [paragraph('b\ngoes on')]]},
    paragraph('after'),
  ]);
});

test('quotes hold blocks', () => {
  assert.deepEqual(blocks('> # A\n> b\nc'), [
    {type: 'quote', blocks: [{type: 'heading', level: 1, text: 'A'}, paragraph('b')]},
    paragraph('c'),
  ]);
});

test('a line of marks is a rule, not a list', () => {
  assert.deepEqual(blocks('* * *\n---\n- a'), [
    {type: 'rule'}, {type: 'rule'},
    {type: 'list', ordered: false, start: 1, items: [[paragraph('a')]]},
  ]);
});

test('tables need a divider with as many cells, and rows get as many', () => {
  assert.deepEqual(blocks('| a | b |\n|---|:-:|\n| 1 \\| 2 |\n| 3 | 4 | 5 |\n\na | b\n---'), [
    {type: 'table', header: ['a', 'b'], rows: [['1 | 2', ''], ['3', '4']]},
    paragraph('a | b'), {type: 'rule'},
  ]);
});

test('each block knows the text it came from', () => {
  assert.deepEqual(parseBlocks('# a\nb\nc').map((block) => block.raw), ['# a', 'b\nc']);
});

test('deep quotes and lists are read in linear time', () => {
  const begin = performance.now();
  parseBlocks('>'.repeat(100_000));
  parseBlocks('- '.repeat(50_000));
  parseBlocks('|'.repeat(100_000));
  parseBlocks('- a\n\n'.repeat(20_000));
  parseBlocks('a | b\n'.repeat(20_000));
  assert.ok(performance.now() - begin < 2000);
});
