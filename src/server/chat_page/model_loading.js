// Says, while an answer has not begun, that the server loads its model first.
import {listModels} from './api.js';

const kLookEveryMs = 700;

/** Calls show(text) with what there is to say, "" for nothing, until the signal. Never throws. */
export function watchLoading(model, key, signal, show) {
  const look = async () => {
    let text = '';
    try {
      const state = (await listModels(key)).find(({id}) => id === model)?.state;
      if (state === 'loading') text = `Loading ${model}…`;
    } catch {
      // The request itself says what is wrong.
    }
    if (!signal.aborted) show(text);
  };
  const timer = setInterval(look, kLookEveryMs);
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    show('');
  });
}
