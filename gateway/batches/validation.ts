import { hash } from 'node:crypto';
import type { BatchError, LineRow } from '../state/store/batch-terms.ts';
import { checkLine, fault, type LineFault, type LineRules } from './check-line.ts';
import type { CutLine } from './line-cutter.ts';

const MOST_ERRORS = 100;

export interface ValidationRules extends LineRules {
  readonly mostLines: number;
  readonly mostLineBytes: number;
  /** Whether lines may name different models. */
  readonly mixesModels: boolean;
}

export interface Found {
  readonly total: number;
  /** The one model of all lines; null: several. */
  readonly model: string | null;
  /** In the order of the lines, what concerns the whole file first; null: there are none. */
  readonly errors: readonly BatchError[] | null;
  /** A model was asked for that nobody knows, or not yet. */
  readonly hasUnknownModel: boolean;
}

/**
 * Looks at the lines of an input file, one after the other, and brings those that may run in their order: by model, then by what their prompts
 * begin with, each as it first came. Keeps a few numbers of each line, and none of its text.
 */
export class Validation {
  readonly #rules: ValidationRules;
  readonly #errors: BatchError[] = [];
  readonly #ids = new Set<string>();
  readonly #models: string[] = [];
  readonly #groups = new Map<string, number>();
  /** Of each line: number, offset, length, model, group. */
  readonly #lines: (readonly [number, number, number, number, number])[] = [];
  #total = 0;
  #isTooLong = false;
  #hasUnknownModel = false;
  #order: number[] | null = null;
  #lastPrefix = '';
  #lastHash = '';

  constructor(rules: ValidationRules) {
    this.#rules = rules;
  }

  /** @returns false: nothing that comes after it can matter */
  take({ number, offset, length, bytes }: CutLine): boolean {
    const { mostLines, mostLineBytes, mixesModels } = this.#rules;
    if (this.#total === mostLines) {
      this.#isTooLong = true;
      return false;
    }
    this.#total++;
    if (bytes === null) {
      return this.#wrong(number, [fault('request_too_large', null, `This line is larger than ${mostLineBytes} bytes.`)]);
    }
    const found = checkLine(bytes, this.#rules);
    if (found.kind === 'wrong') {
      this.#hasUnknownModel ||= found.isUnknownModel;
      return this.#wrong(number, found.faults);
    }
    const id = hashOf(found.customId);
    if (this.#ids.has(id)) return this.#wrong(number, [DUPLICATE]);
    this.#ids.add(id);
    let model = this.#models.indexOf(found.model);
    if (model < 0) model = this.#models.push(found.model) - 1;
    if (model > 0 && !mixesModels) return this.#wrong(number, [MISMATCH]);
    // Of a file with errors nothing runs.
    if (this.#errors.length === 0) this.#lines.push([number, offset, length, model, this.#groupOf(model, found.prefix)]);
    return true;
  }

  /** After the last line. */
  found(): Found {
    const errors = [...this.#errors];
    if (this.#isTooLong) {
      const { mostLines } = this.#rules;
      errors.unshift({ ...fault('too_many_tasks', null, `The batch has more requests than the limit of ${mostLines}.`), line: null });
      errors.length = Math.min(errors.length, MOST_ERRORS);
    } else if (this.#total === 0) errors.push({ ...fault('empty_file', null, 'The input file holds no requests.'), line: null });
    return {
      total: this.#total,
      model: this.#models.length === 1 ? this.#models[0]! : null,
      errors: errors.length > 0 ? errors : null,
      hasUnknownModel: this.#hasUnknownModel,
    };
  }

  /** Those whose turn is from `rank` on; none behind the last. */
  rows(rank: number, most: number): LineRow[] {
    const lines = this.#lines;
    this.#order ??= [...lines.keys()].sort(
      (one, other) => lines[one]![3] - lines[other]![3] || lines[one]![4] - lines[other]![4] || one - other,
    );
    return this.#order.slice(rank, rank + most).map((at, index) => {
      const [number, offset, length, model] = lines[at]!;
      return { rank: rank + index, number, offset, length, model: this.#models[model]! };
    });
  }

  #groupOf(model: number, prefix: string): number {
    if (prefix !== this.#lastPrefix) {
      this.#lastPrefix = prefix;
      this.#lastHash = hash('sha256', prefix, 'base64');
    }
    const key = `${model} ${this.#lastHash}`;
    let group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, (group = this.#groups.size));
    return group;
  }

  #wrong(line: number, faults: readonly LineFault[]): boolean {
    for (const each of faults) if (this.#errors.length < MOST_ERRORS) this.#errors.push({ ...each, line });
    return this.#errors.length < MOST_ERRORS;
  }
}

/** Halves of surrogate pairs that stand alone all are one in UTF-8, and none is another's id. */
function hashOf(id: string): string {
  return hash('sha256', id.isWellFormed() ? id : Buffer.from(id, 'utf16le'), 'base64');
}

const DUPLICATE = fault('duplicate_custom_id', 'custom_id', 'The custom_id of this request is used by another line of the file.');
const MISMATCH = fault('model_mismatch', 'body.model', 'All requests of a batch must name the same model.');
