// The field where the user writes, and the button that sends or stops.
import {byId} from './elements.js';

const kGrowsItself = CSS.supports('field-sizing', 'content');

function fit(field) {
  if (kGrowsItself) return;
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight}px`;
}

export class Composer {
  /** onSend(text): whether it was taken. */
  constructor(onSend, onStop) {
    this.field = byId('composer-text');
    this.isRunning = false;
    const send = () => {
      const text = this.field.value.trim();
      if (this.isRunning || !text || !onSend(text)) return;
      this.field.value = '';
      fit(this.field);
    };
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      send();
    });
    this.field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    this.field.addEventListener('input', () => fit(this.field));
    byId('stop').addEventListener('click', onStop);
  }

  /** While an answer is running, the button stops it. */
  setRunning(isRunning) {
    const hadFocus = document.activeElement === byId(isRunning ? 'send' : 'stop');
    this.isRunning = isRunning;
    byId('send').hidden = isRunning;
    byId('stop').hidden = !isRunning;
    if (hadFocus) this.focus();
  }

  focus() {
    this.field.focus();
  }
}
