// The messages of one conversation, scrolled along with what is written unless the reader has scrolled away.
import {byId, element} from './elements.js';
import {MessageView} from './message_view.js';

const kNearEnd = 60; // pixels

export class MessageLog {
  /** actionsFor(index): what a message offers. */
  constructor(actionsFor) {
    this.node = byId('log');
    this.actionsFor = actionsFor;
    this.views = [];
    this.isDrawing = false;
  }

  show(messages) {
    this.views = messages.map((message, index) => new MessageView(message, this.actionsFor(index)));
    this.node.replaceChildren(...this.views.map((view) => view.node));
    if (messages.length === 0) {
      const lines = [element('h1', {}, 'What would you like to know?'),
        element('p', {}, 'Everything stays between this browser and the server.')];
      this.node.append(element('div', {class: 'welcome'}, ...lines));
    }
    this.scrollToEnd();
  }

  setRunning(index, isRunning) {
    this.followEnd(() => this.views[index]?.setRunning(isRunning));
  }

  /** Says what the last message waits for. */
  setWaiting(text) {
    this.followEnd(() => this.views.at(-1)?.setWaiting(text));
  }

  /** Draws the last message anew, once a frame at most. */
  updateLast() {
    if (this.isDrawing) return;
    this.isDrawing = true;
    requestAnimationFrame(() => {
      this.isDrawing = false;
      this.followEnd(() => this.views.at(-1)?.update());
    });
  }

  /** Changes what is shown; the end stays in sight where it was. */
  followEnd(change) {
    const {scrollHeight, scrollTop, clientHeight} = this.node;
    const wasAtEnd = scrollHeight - scrollTop - clientHeight < kNearEnd;
    change();
    if (wasAtEnd) this.scrollToEnd();
  }

  scrollToEnd() {
    this.node.scrollTop = this.node.scrollHeight;
  }
}
