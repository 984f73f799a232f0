// Shows one message: its text, how it came to its end, and what can be done with it.
import {copyButton} from './copy_button.js';
import {button, element} from './elements.js';
import {MarkdownView} from './markdown_view.js';

const kEndings = {length: 'ended at the limit of tokens', stopped: 'stopped', content_filter: 'withheld'};

function figureTexts(message) {
  const texts = [];
  const figures = message.figures;
  if (figures?.tokens > 0) texts.push(`${figures.isCounted ? '' : '≈ '}${figures.tokens} tokens`);
  if (figures?.tokensPerSecond) texts.push(`${figures.tokensPerSecond.toFixed(1)} tokens/s`);
  if (figures?.firstTokenSeconds) texts.push(`first after ${figures.firstTokenSeconds.toFixed(2)} s`);
  return texts;
}

export class MessageView {
  /** actions: {edit(text), retry(), continue()}; a missing one is not offered. */
  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    this.isRunning = false;
    this.body = element('div', {class: 'body'});
    this.foot = element('div', {class: 'foot'});
    const label = message.role === 'user' ? 'You' : 'Answer';
    this.node = element('article', {class: `message ${message.role}`, 'aria-label': label}, this.body, this.foot);
    if (message.role === 'assistant') {
      this.markdown = new MarkdownView();
      this.thinking = element('pre');
      this.reasoning = element(
          'details', {class: 'reasoning', hidden: true}, element('summary', {}, 'Reasoning'), this.thinking);
      this.caret = element('span', {class: 'waiting', 'aria-hidden': 'true'});
      this.waitsFor = element('span', {class: 'waits-for'});
      this.error = element('div', {class: 'error', role: 'alert', hidden: true});
      this.showBody();
    }
    this.figures = element('span', {class: 'figures'});
    this.update();
    this.setRunning(false);
  }

  showBody() {
    this.body.replaceChildren(this.reasoning, this.markdown.node, this.caret, this.waitsFor, this.error);
  }

  /** Says what has to happen before this message begins. */
  setWaiting(text) {
    if (this.waitsFor) this.waitsFor.textContent = text;
  }

  /** Shows what the message holds by now. */
  update() {
    if (!this.markdown) {
      this.body.textContent = this.message.content;
      return;
    }
    this.markdown.show(this.message.content);
    this.thinking.textContent = this.message.reasoning;
    this.reasoning.hidden = !this.message.reasoning;
    const texts = figureTexts(this.message);
    if (!this.isRunning && kEndings[this.message.finish]) texts.push(kEndings[this.message.finish]);
    this.figures.textContent = texts.join(' · ');
    this.showError();
  }

  showError() {
    const error = this.message.error;
    this.error.hidden = !error;
    if (!error) return;
    const lines = [element('p', {}, error.message)];
    if (error.remedy) lines.push(element('p', {class: 'remedy'}, error.remedy));
    this.error.replaceChildren(...lines);
  }

  /** Whether this message is being written. */
  setRunning(isRunning) {
    this.isRunning = isRunning;
    this.node.setAttribute('aria-busy', String(isRunning));
    if (this.caret) this.caret.hidden = !isRunning;
    this.update();
    this.showActions();
  }

  showActions() {
    const nodes = [this.figures];
    if (!this.isRunning) {
      if (this.message.content) nodes.push(copyButton(() => this.message.content));
      if (this.message.role === 'user' || this.message.content) nodes.push(button('Edit', () => this.beginEdit()));
      if (this.actions.retry) nodes.push(button('Retry', this.actions.retry));
      if (this.actions.continue && this.message.content) nodes.push(button('Continue', this.actions.continue));
    }
    this.foot.replaceChildren(...nodes);
  }

  beginEdit() {
    const field = element('textarea', {rows: '4', 'aria-label': 'The message'});
    field.value = this.message.content;
    const save = () => field.value.trim() && this.actions.edit(field.value);
    const cancel = () => {
      this.node.classList.remove('edited');
      if (this.markdown) {
        this.showBody();
      }
      this.update();
      this.showActions();
    };
    field.addEventListener('keydown', (event) => {
      if (event.isComposing) return;
      if (event.key === 'Escape') {
        event.stopPropagation();
        cancel();
      } else if (event.key === 'Enter' && !event.shiftKey && this.message.role === 'user') {
        event.preventDefault();
        save();
      }
    });
    this.node.classList.add('edited');
    this.body.replaceChildren(field);
    const label = this.message.role === 'user' ? 'Send' : 'Save';
    this.foot.replaceChildren(button('Cancel', cancel), button(label, save, {class: 'main'}));
    field.focus();
  }
}
