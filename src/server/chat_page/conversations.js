// Conversations, kept in this browser and nowhere else.
//
// A conversation is {id, title, changed, system, messages}; a message {role, content, reasoning, figures, error, ...}.
import {lasting} from './storage.js';

const kPrefix = 'conversation.';
const kMostTitle = 60; // characters

export function newConversation(system) {
  // Not randomUUID(), which pages that came by plain HTTP from another machine lack.
  const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0'));
  return {id: id.join(''), title: '', changed: Date.now(), system, messages: []};
}

/** The latest first. */
export function listConversations() {
  const all = lasting.keys(kPrefix).map((id) => loadConversation(id)).filter((found) => found !== null);
  return all.sort((a, b) => b.changed - a.changed);
}

export function loadConversation(id) {
  const found = lasting.read(kPrefix + id, null);
  return Array.isArray(found?.messages) ? found : null;
}

/** Whether there was room for it. */
export function saveConversation(conversation) {
  const first = conversation.messages.find((message) => message.role === 'user');
  conversation.title = first ? titleOf(first.content) : '';
  conversation.changed = Date.now();
  return lasting.write(kPrefix + conversation.id, conversation);
}

export function deleteConversation(id) {
  lasting.remove(kPrefix + id);
}

function titleOf(text) {
  const line = text.trim().split('\n')[0];
  return line.length > kMostTitle ? `${line.slice(0, kMostTitle - 1)}…` : line;
}

/** The messages as the API takes them: without those that failed or were stopped before their first word. */
export function messagesForApi(conversation, messages) {
  const system = conversation.system.trim();
  const spoken = messages.filter((message) => message.role === 'user' || message.content);
  return [
    ...(system ? [{role: 'system', content: system}] : []),
    ...spoken.map(({role, content}) => ({role, content})),
  ];
}

/** The text of a file that others can read: the conversation in the API's own shape. */
export function exported(conversation) {
  const messages = messagesForApi(conversation, conversation.messages);
  return `${JSON.stringify({title: conversation.title, messages}, null, 2)}\n`;
}
