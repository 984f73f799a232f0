// Shows markdown: blocks and spans become DOM nodes, and what a model writes is never anything but text in them.
import {copyButton} from './copy_button.js';
import {element} from './elements.js';
import {parseBlocks} from './markdown_blocks.js';
import {parseInline} from './markdown_inline.js';

const kTags = {strong: 'strong', emphasis: 'em', struck: 's'};

function spanNode(span) {
  if (span.type === 'text') return document.createTextNode(span.text);
  if (span.type === 'break') return element('br');
  if (span.type === 'code') return element('code', {}, span.text);
  if (span.type === 'link') {
    const attributes = {href: span.href, target: '_blank', rel: 'noopener noreferrer nofollow'};
    return element('a', attributes, ...span.spans.map(spanNode));
  }
  return element(kTags[span.type], {}, ...span.spans.map(spanNode));
}

function inlineNodes(text) {
  return parseInline(text).map(spanNode);
}

function codeNode(block) {
  const head = element(
      'div', {class: 'head'}, element('span', {}, block.language || 'text'), copyButton(() => block.text));
  const code = element('pre', {tabindex: '0'}, element('code', {}, block.text));
  return element('div', {class: 'code'}, head, code);
}

function listNode(block) {
  const items = block.items.map((blocks) => {
    // An item that is one paragraph stands without the paragraph's margins.
    const nodes = blocks.length > 0 && blocks[0].type === 'paragraph' ?
        [...inlineNodes(blocks[0].text), ...blocks.slice(1).map(blockNode)] :
        blocks.map(blockNode);
    return element('li', {}, ...nodes);
  });
  if (!block.ordered) return element('ul', {}, ...items);
  return element('ol', {start: block.start === 1 ? undefined : String(block.start)}, ...items);
}

function tableNode(block) {
  const row = (tag, texts) => element('tr', {}, ...texts.map((text) => element(tag, {}, ...inlineNodes(text))));
  const table = element(
      'table', {}, element('thead', {}, row('th', block.header)),
      element('tbody', {}, ...block.rows.map((texts) => row('td', texts))));
  return element('div', {class: 'table'}, table);
}

function blockNode(block) {
  switch (block.type) {
    case 'code':
      return codeNode(block);
    case 'heading':
      return element(`h${block.level}`, {}, ...inlineNodes(block.text));
    case 'rule':
      return element('hr');
    case 'quote':
      return element('blockquote', {}, ...block.blocks.map(blockNode));
    case 'list':
      return listNode(block);
    case 'table':
      return tableNode(block);
    default:
      return element('p', {}, ...inlineNodes(block.text));
  }
}

/** A node that shows a text that may grow. Blocks that stay as they were keep their nodes, and so any selection. */
export class MarkdownView {
  constructor() {
    this.node = element('div', {class: 'markdown'});
    this.shown = []; // raw texts
  }

  show(text) {
    const blocks = parseBlocks(text);
    let same = 0;
    while (same < blocks.length && this.shown[same] === blocks[same].raw) ++same;
    while (this.node.childNodes.length > same) this.node.lastChild.remove();
    this.node.append(...blocks.slice(same).map(blockNode));
    this.shown = blocks.map((block) => block.raw);
  }
}
