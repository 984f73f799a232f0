// The key that the server wants, if it wants one: where it is kept, and the dialog that asks for it.
import {byId} from './elements.js';
import {lasting, ofTab} from './storage.js';

export function apiKey() {
  return ofTab.read('key', '') || lasting.read('key', '');
}

function keep(key, isLasting) {
  ofTab.remove('key');
  lasting.remove('key');
  if (key) (isLasting ? lasting : ofTab).write('key', key);
}

/** onKey is called when another key, or none, is to be used. */
export function setUpKeyDialog(onKey) {
  const dialog = byId('key-dialog');
  byId('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    keep(byId('key').value.trim(), byId('keep-key').checked);
    dialog.close();
    onKey();
  });
  byId('cancel-key').addEventListener('click', () => dialog.close());
}

/** message: why it is asked for; may be empty. */
export function askForKey(message) {
  byId('key-error').textContent = message;
  byId('key-error').hidden = !message;
  byId('key').value = apiKey();
  byId('keep-key').checked = lasting.read('key', '') !== '';
  if (!byId('key-dialog').open) byId('key-dialog').showModal();
}
