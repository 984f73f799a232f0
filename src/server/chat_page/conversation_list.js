// The list of conversations beside the page.
import {listConversations} from './conversations.js';
import {button, byId, element} from './elements.js';

/** onOpen(id), onDelete(id, title). */
export class ConversationList {
  constructor(onOpen, onDelete) {
    this.onOpen = onOpen;
    this.onDelete = onDelete;
  }

  show(openId) {
    byId('conversations').replaceChildren(...listConversations().map((found) => this.item(found, openId)));
  }

  item({id, title}, openId) {
    const open = button(title, () => this.onOpen(id), {class: 'quiet title', title});
    const remove = button('✕', () => this.onDelete(id, title), {'aria-label': `Delete “${title}”`});
    return element('li', {'aria-current': id === openId ? 'true' : undefined}, open, remove);
  }
}
