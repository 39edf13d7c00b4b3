import { settingsSchema } from './settings.ts';
import { SchemaNode } from './walk.ts';

/** A kind of file that people write: what may stand in it, and how messages speak of it. */
export interface Form {
  readonly root: SchemaNode;
  readonly name: string;
  /** What such a file holds, as the end of `expected …`. */
  readonly content: string;
  /** How large it may be; absent: as one that is written by hand. */
  readonly most?: { readonly mebibytes: number; readonly values: number };
}

export const SETTINGS: Form = {
  root: new SchemaNode(settingsSchema),
  name: 'settings file',
  content: 'groups of settings, such as server: and models:',
};
