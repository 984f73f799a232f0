// The list of conversations and the settings: beside the conversation where there is room, else over it, one at a time.
import {byId} from './elements.js';
import {lasting} from './storage.js';

const kNarrow = matchMedia('(max-width: 800px)');

function isOpen(name) {
  return !byId(name).hidden;
}

function setOpen(name, open) {
  byId(name).hidden = !open;
  byId(`toggle-${name}`).setAttribute('aria-expanded', String(open));
  byId('shade').hidden = !(kNarrow.matches && (isOpen('sidebar') || isOpen('settings')));
}

function toggle(name) {
  const open = !isOpen(name);
  if (kNarrow.matches && open) closePanels();
  setOpen(name, open);
  if (open) byId(`close-${name}`).focus();
  if (!kNarrow.matches && name === 'sidebar') lasting.write('sidebar', open);
}

function close(name) {
  setOpen(name, false);
  byId(`toggle-${name}`).focus();
}

function closePanels() {
  setOpen('sidebar', false);
  setOpen('settings', false);
}

/** Closes what covers the conversation. */
export function uncover() {
  if (kNarrow.matches) closePanels();
}

export function setUpPanels() {
  const arrange = () => {
    setOpen('settings', false);
    setOpen('sidebar', !kNarrow.matches && lasting.read('sidebar', true));
  };
  for (const name of ['sidebar', 'settings']) {
    byId(`toggle-${name}`).addEventListener('click', () => toggle(name));
    byId(`close-${name}`).addEventListener('click', () => close(name));
  }
  byId('shade').addEventListener('click', closePanels);
  kNarrow.addEventListener('change', arrange);
  arrange();
}
