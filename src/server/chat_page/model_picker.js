// The choice of models that the server offers.
import {listModels} from './api.js';
import {byId, element} from './elements.js';
import {lasting} from './storage.js';

export class ModelPicker {
  constructor() {
    this.models = [];
    byId('model').addEventListener('change', () => lasting.write('model', this.chosen()));
  }

  /** Asks the server. Throws a ServerError. */
  async load(key) {
    this.models = await listModels(key);
    const options = this.models.map(({id}) => element('option', {value: id}, id));
    byId('model').replaceChildren(...options);
    const last = lasting.read('model', '');
    if (this.models.some(({id}) => id === last)) byId('model').value = last;
  }

  /** A name, or "" where the server has not been reached yet. */
  chosen() {
    return byId('model').value;
  }

  contextTokens() {
    return this.models.find(({id}) => id === this.chosen())?.contextTokens ?? null;
  }
}
