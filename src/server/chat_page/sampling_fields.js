// The fields of the request that the settings offer. What is left empty is not sent, so that the model's own holds.
import {byId, element} from './elements.js';
import {lasting} from './storage.js';

const kFields = [
  {name: 'temperature', label: 'Temperature', min: 0, max: 100},
  {name: 'max_tokens', label: 'Most tokens', min: 1, step: 1},
  {name: 'top_p', label: 'Top-p', min: 0, max: 1},
  {name: 'top_k', label: 'Top-k', min: -1, step: 1},
  {name: 'min_p', label: 'Min-p', min: 0, max: 1},
  {name: 'repetition_penalty', label: 'Repetition penalty', min: 0, max: 100},
  {name: 'seed', label: 'Seed', min: -1, step: 1, hint: 'The same seed gives the same answer.', isBroad: true},
  {name: 'stop', label: 'Stop strings', hint: 'One a line; \\n stands for the end of a line.', isBroad: true, isList: true},
];

function inputOf(field) {
  const id = `sampling-${field.name}`;
  if (field.isList) return element('textarea', {id, rows: '2', placeholder: 'None'});
  return element('input', {
    id,
    type: 'number',
    inputmode: field.step ? 'numeric' : 'decimal',
    min: field.min?.toString(),
    max: field.max?.toString(),
    step: (field.step ?? 'any').toString(),
    placeholder: 'Default',
  });
}

function readField(field) {
  const input = byId(`sampling-${field.name}`);
  if (!field.isList) return input.value === '' ? undefined : Number(input.value);
  const lines = input.value.split('\n').filter((line) => line !== '');
  return lines.length > 0 ? lines.map((line) => line.replaceAll('\\n', '\n')) : undefined;
}

/** What goes into a request. */
export function samplingParameters() {
  return Object.fromEntries(
      kFields.map((field) => [field.name, readField(field)]).filter(([, value]) => value !== undefined));
}

export function setUpSamplingFields() {
  const kept = lasting.read('sampling', {});
  const save = () => {
    const texts = kFields.map((field) => [field.name, byId(`sampling-${field.name}`).value]);
    lasting.write('sampling', Object.fromEntries(texts));
  };
  for (const field of kFields) {
    const input = inputOf(field);
    input.value = kept[field.name] ?? '';
    input.addEventListener('input', save);
    const label = element(
        'label', {class: field.isBroad ? 'field broad' : 'field', for: input.id}, field.label, input);
    if (field.hint) label.append(element('small', {}, field.hint));
    byId('sampling-fields').append(label);
  }
  byId('reset-sampling').addEventListener('click', () => {
    for (const field of kFields) byId(`sampling-${field.name}`).value = '';
    save();
  });
}
