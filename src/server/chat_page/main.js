// The chat page: one conversation, the answers to it, and what the buttons do.
import {fillAnswer} from './answer.js';
import {apiKey, askForKey, setUpKeyDialog} from './api_key.js';
import {Composer} from './composer.js';
import {ConversationList} from './conversation_list.js';
import {
  deleteConversation, exported, loadConversation, messagesForApi, newConversation, saveConversation,
} from './conversations.js';
import {byId, element} from './elements.js';
import {MessageLog} from './message_log.js';
import {watchLoading} from './model_loading.js';
import {ModelPicker} from './model_picker.js';
import {setUpPanels, uncover} from './panels.js';
import {samplingParameters, setUpSamplingFields} from './sampling_fields.js';
import {lasting, ofTab} from './storage.js';

const kSaveEveryMs = 2000;

class ChatPage {
  constructor() {
    this.running = null; // the AbortController of the answer that is being written
    this.picker = new ModelPicker();
    this.log = new MessageLog((index) => this.actionsFor(index));
    this.list = new ConversationList((id) => this.open(loadConversation(id)), (id, title) => this.remove(id, title));
    this.composer = new Composer((text) => this.send(text), () => this.stop());
    setUpPanels();
    setUpSamplingFields();
    setUpKeyDialog(() => this.connect());
    byId('new-conversation').addEventListener('click', () => this.open(null));
    byId('export').addEventListener('click', () => this.download());
    byId('change-key').addEventListener('click', () => askForKey(''));
    byId('model').addEventListener('change', () => this.showContext());
    byId('system-prompt').addEventListener('input', () => this.setSystemPrompt(byId('system-prompt').value));
    document.addEventListener('keydown', (event) => this.onKey(event));
    addEventListener('pagehide', () => this.save());
    addEventListener('storage', () => this.list.show(this.conversation.id));
    this.open(loadConversation(ofTab.read('open', '')));
    this.connect();
  }

  async connect() {
    try {
      await this.picker.load(apiKey());
      this.notify(null);
    } catch (error) {
      if (error.status === 401) {
        const refused = apiKey() !== '';
        askForKey(refused ? 'The server refuses this key.' : 'This server answers only with a key.');
        this.notify({message: 'The server waits for a key.', remedy: ''});
      } else {
        this.notify(error);
      }
    }
    this.showContext();
  }

  /** Shows an error of the whole page, or none. */
  notify(error) {
    const again = element('button', {type: 'button', class: 'quiet', onclick: () => this.connect()}, 'Try again');
    byId('notice').replaceChildren(...(error ? [`${error.message} ${error.remedy ?? ''}`, again] : []));
    byId('notice').hidden = !error;
  }

  /** null: a new conversation. */
  open(conversation) {
    this.stop();
    this.conversation = conversation ?? newConversation(lasting.read('system', ''));
    ofTab.write('open', this.conversation.id);
    byId('system-prompt').value = this.conversation.system;
    this.show();
    uncover();
    this.composer.focus();
  }

  show() {
    this.log.show(this.conversation.messages);
    this.list.show(this.conversation.id);
    byId('export').disabled = this.conversation.messages.length === 0;
    this.showContext();
  }

  showContext() {
    const figures = this.conversation.messages.findLast((message) => message.figures?.isCounted)?.figures;
    const most = this.picker.contextTokens();
    const used = figures ? figures.promptTokens + figures.tokens : 0;
    byId('context').textContent = most ? `${used} of ${most} tokens` : '';
  }

  save() {
    if (this.conversation.messages.length === 0) return;
    if (saveConversation(this.conversation)) return;
    this.notify({
      message: 'The browser has no room for this conversation.',
      remedy: 'Export it, or delete others.',
    });
  }

  setSystemPrompt(text) {
    this.conversation.system = text;
    lasting.write('system', text);
    this.save();
  }

  remove(id, title) {
    if (!confirm(`Delete “${title}”?`)) return;
    const isOpen = id === this.conversation.id;
    if (isOpen) this.stop();
    deleteConversation(id);
    if (isOpen) this.conversation.messages = []; // or leaving the page would keep it again
    if (isOpen) this.open(null);
    this.list.show(this.conversation.id);
  }

  download() {
    const file = new Blob([exported(this.conversation)], {type: 'application/json'});
    const address = URL.createObjectURL(file);
    const name = this.conversation.title.replace(/[^\p{L}\p{N}]+/gu, '-').slice(0, 40) || 'conversation';
    element('a', {href: address, download: `${name}.json`}).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  actionsFor(index) {
    const messages = this.conversation.messages;
    const actions = {edit: (text) => this.edit(index, text)};
    if (messages[index].role === 'assistant') {
      actions.retry = () => this.retry(index);
      if (index === messages.length - 1) actions.continue = () => this.continueLast();
    }
    return actions;
  }

  /** Whether messages from `index` on may go; asks where that is more than one answer. */
  mayDrop(index) {
    const dropped = this.conversation.messages.length - index;
    return dropped <= 1 || confirm(`This removes the ${dropped} messages after it.`);
  }

  send(text) {
    if (this.running) return false;
    this.conversation.messages.push({role: 'user', content: text});
    this.answer();
    return true;
  }

  edit(index, text) {
    const message = this.conversation.messages[index];
    if (this.running || !this.mayDrop(index + 1)) return;
    this.conversation.messages.length = index + 1;
    message.content = text;
    if (message.role === 'user') {
      this.answer();
    } else {
      this.save();
      this.show();
    }
  }

  retry(index) {
    if (this.running || !this.mayDrop(index + 1)) return;
    this.conversation.messages.length = index;
    this.answer();
  }

  /** Adds an answer to what stands there. */
  answer() {
    const messages = messagesForApi(this.conversation, this.conversation.messages);
    this.conversation.messages.push({role: 'assistant', content: '', reasoning: ''});
    this.run({messages});
  }

  continueLast() {
    if (this.running) return;
    const messages = messagesForApi(this.conversation, this.conversation.messages);
    this.run({messages, continue_final_message: true});
  }

  stop() {
    this.running?.abort();
  }

  /** Writes the last message. What the page shows by then is another conversation, perhaps. */
  async run(request) {
    const conversation = this.conversation;
    const message = conversation.messages.at(-1);
    const index = conversation.messages.length - 1;
    const running = new AbortController();
    this.setRunning(running);
    this.save();
    this.show();
    this.log.setRunning(index, true);
    const model = this.picker.chosen();
    const body = {...request, ...samplingParameters(), ...(model ? {model} : {})};
    let saved = Date.now();
    const begun = new AbortController();
    watchLoading(model, apiKey(), begun.signal, (text) => {
      if (this.conversation !== conversation) return;
      this.log.setWaiting(text);
      byId('status').textContent = text || 'The model is answering.';
    });
    await fillAnswer(message, body, apiKey(), running.signal, () => {
      begun.abort();
      if (running.signal.aborted) return;
      this.log.updateLast();
      if (Date.now() - saved < kSaveEveryMs) return;
      saved = Date.now();
      this.save();
    });
    begun.abort();
    if (this.running === running) this.setRunning(null);
    if (this.conversation !== conversation) {
      if (loadConversation(conversation.id)) saveConversation(conversation);
      return;
    }
    this.log.setRunning(index, false);
    this.save();
    this.list.show(conversation.id);
    this.showContext();
    byId('status').textContent = message.error ? 'The answer failed.' : 'The answer is there.';
    if (message.error?.status === 401) askForKey('The server refuses this key.');
  }

  setRunning(running) {
    this.running = running;
    this.composer.setRunning(running !== null);
    byId('status').textContent = running ? 'The model is answering.' : '';
  }

  onKey(event) {
    if (event.key !== 'Escape' || byId('key-dialog').open) return;
    if (this.running) {
      this.stop();
    } else {
      uncover();
    }
  }
}

new ChatPage();
