// Markdown's blocks, from text to plain objects. Knows no DOM. Takes time linear in the text, whatever that holds.
//
// A block is {type, raw, ...}, where raw is the text it was made from:
//   code {language, text}   heading {level, text}   rule {}   quote {blocks}
//   list {ordered, start, items: [blocks]}   table {header: [text], rows: [[text]]}   paragraph {text}

const kMostDepth = 8; // of quotes and lists in each other; what is deeper is a paragraph
const kFence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const kHeading = /^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$/;
const kRule = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const kQuote = /^ {0,3}> ?/;
const kItem = /^( *)([-*+]|\d{1,9}[.)])( +|$)/;
const kDivider = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

/** Blocks of a text. One that is still being written is read as far as it goes. */
export function parseBlocks(text) {
  return blocksOf(text.replaceAll('\r\n', '\n').replaceAll('\t', '    ').split('\n'), 0);
}

function blocksOf(lines, depth) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      ++at;
      continue;
    }
    const [block, end] = blockAt(lines, at, depth);
    block.raw = lines.slice(at, end).join('\n');
    blocks.push(block);
    at = end;
  }
  return blocks;
}

/** The block that begins at a line, and the line behind it. */
function blockAt(lines, at, depth) {
  const fence = kFence.exec(lines[at]);
  if (fence) return codeAt(lines, at, fence);
  const heading = kHeading.exec(lines[at]);
  if (heading) return [{type: 'heading', level: heading[1].length, text: heading[2]}, at + 1];
  if (kRule.test(lines[at])) return [{type: 'rule'}, at + 1];
  if (depth < kMostDepth && kQuote.test(lines[at])) return quoteAt(lines, at, depth);
  if (depth < kMostDepth && kItem.test(lines[at])) return listAt(lines, at, depth);
  if (beginsTable(lines, at)) return tableAt(lines, at);
  return paragraphAt(lines, at, depth);
}

function isBlank(line) {
  return line.trim() === '';
}

function beginsTable(lines, at) {
  return lines[at].includes('|') && at + 1 < lines.length && lines[at + 1].includes('-') &&
      kDivider.test(lines[at + 1]) && cells(lines[at]).length === cells(lines[at + 1]).length;
}

/** Whether a line ends the paragraph before it. */
function interrupts(lines, at, depth) {
  const line = lines[at];
  if (isBlank(line) || kFence.test(line) || kHeading.test(line) || kRule.test(line)) return true;
  if (depth < kMostDepth && (kQuote.test(line) || kItem.test(line))) return true;
  return beginsTable(lines, at);
}

function codeAt(lines, at, fence) {
  const closing = new RegExp(`^ {0,3}${fence[1][0]}{${fence[1].length},}\\s*$`);
  const indent = lines[at].search(/\S/);
  let end = at + 1;
  while (end < lines.length && !closing.test(lines[end])) ++end;
  const text = lines.slice(at + 1, end).map((line) => withoutIndent(line, indent)).join('\n');
  const language = fence[2].trim().split(/\s/)[0];
  return [{type: 'code', language, text}, Math.min(end + 1, lines.length)];
}

function withoutIndent(line, most) {
  const indent = line.search(/\S/);
  return line.slice(Math.min(indent < 0 ? line.length : indent, most));
}

function quoteAt(lines, at, depth) {
  let end = at;
  const inner = [];
  while (end < lines.length && kQuote.test(lines[end])) inner.push(lines[end++].replace(kQuote, ''));
  return [{type: 'quote', blocks: blocksOf(inner, depth + 1)}, end];
}

function listAt(lines, at, depth) {
  const first = kItem.exec(lines[at]);
  const ordered = /\d/.test(first[2]);
  const isSibling = (match) => match && match[1].length < first[1].length + 2 &&
      match[1].length >= first[1].length && /\d/.test(match[2]) === ordered;
  const list = {type: 'list', ordered, start: ordered ? parseInt(first[2], 10) : 1, items: []};
  let end = at;
  while (end < lines.length && isSibling(kItem.exec(lines[end])) && !kRule.test(lines[end])) {
    const marker = kItem.exec(lines[end]);
    const indent = marker[3].length > 4 ? marker[1].length + marker[2].length + 1 : marker[0].length;
    const inner = [lines[end].slice(Math.min(indent, marker[0].length))];
    ++end;
    // What is indented under the marker belongs to the item, and so do lines that go on in its paragraph.
    let wasBlank = false;
    while (end < lines.length) {
      const line = lines[end];
      const isInner = line.search(/\S/) >= first[1].length + 2;
      if (isBlank(line)) {
        wasBlank = true;
      } else if (!isInner && (wasBlank || interrupts(lines, end, depth))) {
        break;
      } else {
        wasBlank = false;
      }
      inner.push(withoutIndent(line, indent));
      ++end;
    }
    list.items.push(blocksOf(inner, depth + 1));
  }
  return [list, end];
}

/** The cells of a line of a table; "\|" does not part them. */
function cells(line) {
  const parts = [''];
  const text = line.trim();
  for (let i = 0; i < text.length; ++i) {
    if (text[i] === '\\' && text[i + 1] === '|') {
      parts[parts.length - 1] += '|';
      ++i;
    } else if (text[i] === '|') {
      parts.push('');
    } else {
      parts[parts.length - 1] += text[i];
    }
  }
  if (text.startsWith('|')) parts.shift();
  if (parts.length > 1 && parts.at(-1) === '') parts.pop();
  return parts.map((part) => part.trim());
}

function tableAt(lines, at) {
  const header = cells(lines[at]);
  const rows = [];
  let end = at + 2;
  while (end < lines.length && !isBlank(lines[end]) && lines[end].includes('|')) {
    const row = cells(lines[end++]).slice(0, header.length);
    while (row.length < header.length) row.push('');
    rows.push(row);
  }
  return [{type: 'table', header, rows}, end];
}

function paragraphAt(lines, at, depth) {
  let end = at + 1;
  while (end < lines.length && !interrupts(lines, end, depth)) ++end;
  return [{type: 'paragraph', text: lines.slice(at, end).map((line) => line.trim()).join('\n')}, end];
}
