// What the browser keeps for this page. Where it keeps nothing, things last until the page is left.

const kPrefix = 'trellis.';

class MemoryStorage {
  #values = new Map();
  get length() {
    return this.#values.size;
  }
  key(index) {
    return [...this.#values.keys()][index] ?? null;
  }
  getItem(key) {
    return this.#values.get(key) ?? null;
  }
  setItem(key, value) {
    this.#values.set(key, value);
  }
  removeItem(key) {
    this.#values.delete(key);
  }
}

function usable(name) {
  try {
    const storage = globalThis[name];
    storage.getItem(kPrefix);
    return storage;
  } catch {
    return new MemoryStorage();
  }
}

/** A view of localStorage or sessionStorage that holds JSON. */
class JsonStorage {
  constructor(storage) {
    this.storage = storage;
  }
  /** What was kept, or `otherwise` where that is nothing or unreadable. */
  read(key, otherwise) {
    try {
      return JSON.parse(this.storage.getItem(kPrefix + key)) ?? otherwise;
    } catch {
      return otherwise;
    }
  }
  /** Whether there was room. */
  write(key, value) {
    try {
      this.storage.setItem(kPrefix + key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }
  remove(key) {
    this.storage.removeItem(kPrefix + key);
  }
  /** Those that begin with `prefix`, without it. */
  keys(prefix) {
    const begin = kPrefix + prefix;
    const all = Array.from({length: this.storage.length}, (_, i) => this.storage.key(i));
    return all.filter((key) => key.startsWith(begin)).map((key) => key.slice(begin.length));
  }
}

export const lasting = new JsonStorage(usable('localStorage'));
export const ofTab = new JsonStorage(usable('sessionStorage'));
