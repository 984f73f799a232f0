// Markdown within a line, from text to plain objects. Knows no DOM. Takes time linear in the text, whatever that holds.
//
// A span is {type: "text", text}, {type: "code", text}, {type: "break"}, {type: "link", href, spans}, or
// {type: "strong" | "emphasis" | "struck", spans}.

const kTypes = {'*': 'emphasis', '_': 'emphasis', '**': 'strong', '__': 'strong', '~~': 'struck'};
const kMostLink = 4000; // characters of a link's text and its address
const kBareAddress = /https?:\/\/[^\s<>"'`]+/y;
const kAngleAddress = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/y;
const kAfterAddress = '.,:;!?*_~]';
const kPunctuation = /[!-/:-@[-`{-~]/;

/** The address, where it is one that may be followed; else null. */
export function safeAddress(text) {
  const address = text.trim();
  return /^(?:https?:\/\/|mailto:)[^\s\u0000-\u001f]+$/i.test(address) ? address : null;
}

/** Where the brackets close that open at these places; those of each kind are paired for themselves. */
function pairs(text) {
  const closing = new Map();
  const open = {']': [], ')': []};
  for (let at = 0; at < text.length; ++at) {
    if (text[at] === '\\') {
      ++at;
    } else if (text[at] === '[') {
      open[']'].push(at);
    } else if (text[at] === '(') {
      open[')'].push(at);
    } else if (open[text[at]]?.length > 0) {
      closing.set(open[text[at]].pop(), at);
    }
  }
  return closing;
}

export function parseInline(text, isInLink = false) {
  return new InlineParser(text, isInLink).parse();
}

class InlineParser {
  constructor(text, isInLink) {
    this.text = text;
    this.isInLink = isInLink;
    this.at = 0;
    // What is open, outermost first. A marker is open once at most, which bounds the depth.
    this.frames = [{marker: '', spans: []}];
    this.unclosedRuns = new Set(); // lengths of runs of backticks that nothing further on closes
  }

  parse() {
    while (this.at < this.text.length) this.step();
    while (this.frames.length > 1) this.giveUpInnermost();
    return this.frames[0].spans;
  }

  step() {
    const char = this.text[this.at];
    if (char === '\\' && kPunctuation.test(this.text[this.at + 1] ?? '')) {
      this.addText(this.text[this.at + 1]);
      this.at += 2;
    } else if (char === '\n') {
      this.add({type: 'break'});
      ++this.at;
    } else if (char === '`') {
      this.readCode();
    } else if (char === '*' || char === '_' || char === '~') {
      this.readMarkers(char);
    } else if (!this.isInLink && this.readLink(char)) {
      return;
    } else {
      this.addText(char);
      ++this.at;
    }
  }

  add(span) {
    this.frames.at(-1).spans.push(span);
  }

  addText(text) {
    const last = this.frames.at(-1).spans.at(-1);
    if (last?.type === 'text') {
      last.text += text;
    } else {
      this.add({type: 'text', text});
    }
  }

  runLength(char) {
    let end = this.at;
    while (this.text[end] === char) ++end;
    return end - this.at;
  }

  readCode() {
    const length = this.runLength('`');
    const begin = this.at + length;
    const end = this.unclosedRuns.has(length) ? -1 : this.closingRun(begin, length);
    if (end < 0) {
      this.unclosedRuns.add(length);
      this.addText('`'.repeat(length));
      this.at = begin;
      return;
    }
    const code = this.text.slice(begin, end).replaceAll('\n', ' ');
    const isPadded = code.startsWith(' ') && code.endsWith(' ') && code.trim() !== '';
    this.add({type: 'code', text: isPadded ? code.slice(1, -1) : code});
    this.at = end + length;
  }

  closingRun(from, length) {
    for (let at = this.text.indexOf('`', from); at >= 0; at = this.text.indexOf('`', at)) {
      let end = at;
      while (this.text[end] === '`') ++end;
      if (end - at === length) return at;
      at = end;
    }
    return -1;
  }

  readMarkers(char) {
    const length = this.runLength(char);
    const before = this.text[this.at - 1] ?? ' ';
    const after = this.text[this.at + length] ?? ' ';
    const isWord = (letter) => /[\p{L}\p{N}]/u.test(letter);
    let canOpen = /\S/.test(after);
    let canClose = /\S/.test(before);
    if (char === '_') {
      canOpen &&= !isWord(before);
      canClose &&= !isWord(after);
    }
    this.at += length;
    let left = length;
    if (length > 3 || (char === '~' && length !== 2)) {
      this.addText(char.repeat(length));
      return;
    }
    while (left > 0) {
      const open = canClose ? this.openFrame(char, left) : undefined;
      if (open) {
        left -= open.marker.length;
        this.close(open);
        continue;
      }
      const marker = char.repeat(left >= 2 ? 2 : 1);
      if (canOpen && !this.frames.some((frame) => frame.marker === marker)) {
        this.frames.push({marker, spans: []});
      } else {
        this.addText(marker);
      }
      left -= marker.length;
    }
  }

  /** What a run of this length closes: its like, else the innermost that it is long enough for. */
  openFrame(char, length) {
    return this.frames.find((frame) => frame.marker === char.repeat(length)) ??
        this.frames.findLast((frame) => frame.marker[0] === char && frame.marker.length <= length);
  }

  close(frame) {
    while (this.frames.at(-1) !== frame) this.giveUpInnermost();
    this.frames.pop();
    this.add({type: kTypes[frame.marker], spans: frame.spans});
  }

  /** The innermost marker has no partner: it was text. */
  giveUpInnermost() {
    const {marker, spans} = this.frames.pop();
    this.addText(marker);
    for (const span of spans) {
      if (span.type === 'text') {
        this.addText(span.text);
      } else {
        this.add(span);
      }
    }
  }

  /** Whether a link was there. An image becomes a link, too: the page loads nothing that a model names. */
  readLink(char) {
    if (char === '[' || (char === '!' && this.text[this.at + 1] === '[')) {
      return this.readBracketLink(char === '!' ? 1 : 0);
    }
    if (char === '<') return this.readAddress(kAngleAddress, 1);
    if (char === 'h' && !/[\p{L}\p{N}]/u.test(this.text[this.at - 1] ?? ' ')) {
      return this.readAddress(kBareAddress, 0);
    }
    return false;
  }

  readBracketLink(skipped) {
    this.brackets ??= pairs(this.text);
    const begin = this.at + skipped + 1;
    const textEnd = this.brackets.get(begin - 1);
    if (textEnd === undefined || this.text[textEnd + 1] !== '(') return false;
    const end = this.brackets.get(textEnd + 1);
    if (end === undefined || end - begin > kMostLink) return false;
    const target = /^\s*<?([^\s<>]*)>?(?:\s+["'(].*)?\s*$/.exec(this.text.slice(textEnd + 2, end));
    const href = target && safeAddress(target[1]);
    if (!href) return false;
    const label = this.text.slice(begin, textEnd) || href;
    this.add({type: 'link', href, spans: parseInline(label, true)});
    this.at = end + 1;
    return true;
  }

  readAddress(pattern, group) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (!match) return false;
    let address = match[group];
    let end = pattern.lastIndex;
    if (group === 0) {
      // The sentence's own punctuation, and brackets and markers around the address, are not part of it.
      if (!address.includes('(')) address = address.split(')')[0];
      while (kAfterAddress.includes(address.at(-1))) address = address.slice(0, -1);
      end = this.at + address.length;
    }
    const href = safeAddress(address);
    if (!href) return false;
    this.add({type: 'link', href, spans: [{type: 'text', text: address}]});
    this.at = end;
    return true;
  }
}
