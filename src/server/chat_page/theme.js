// The switch between light and dark. A plain script in the head, so that the page is never drawn in the wrong colours.
'use strict';

(() => {
  const kKey = 'trellis.theme';

  function stored() {
    try {
      return localStorage.getItem(kKey) ?? 'auto';
    } catch {
      return 'auto'; // the browser keeps nothing
    }
  }

  function apply(theme) {
    if (theme === 'auto') {
      delete document.documentElement.dataset.theme;
    } else {
      document.documentElement.dataset.theme = theme;
    }
  }

  apply(stored());
  document.addEventListener('DOMContentLoaded', () => {
    const choice = document.getElementById('theme');
    choice.value = stored();
    choice.addEventListener('change', () => {
      apply(choice.value);
      try {
        localStorage.setItem(kKey, choice.value);
      } catch {
        // It lasts until the page is left.
      }
    });
  });
})();
