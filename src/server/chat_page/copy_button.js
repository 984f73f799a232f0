// A button that copies a text and says so.
import {button, element} from './elements.js';

const kShownMs = 1500;

/** Pages that came by plain HTTP from another machine have no clipboard of their own. */
function copyBySelection(text) {
  const area = element('textarea', {class: 'unseen', 'aria-hidden': 'true'});
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  return copied;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** text: a function, asked when the button is pressed. */
export function copyButton(text) {
  const node = button('Copy', async () => {
    node.textContent = (await copy(text())) ? 'Copied' : 'Not copied';
    node.focus();
    setTimeout(() => (node.textContent = 'Copy'), kShownMs);
  });
  return node;
}
