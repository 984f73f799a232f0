// Builds DOM nodes. Text becomes text nodes only, so that nothing a model or a server says can become markup.

/** An element with attributes and children, which are nodes or strings; "onclick" and the like are listeners. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) {
      node.addEventListener(name.slice(2), value);
    } else if (value === true) {
      node.setAttribute(name, '');
    } else if (value !== false && value !== undefined) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children);
  return node;
}

export function button(label, onclick, attributes = {}) {
  return element('button', {type: 'button', class: 'quiet', onclick, ...attributes}, label);
}

export function byId(id) {
  return document.getElementById(id);
}
