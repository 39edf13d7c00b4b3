import { h } from 'preact';
import htm from 'htm';

/** Its types say that it is a module of the older kind, whose default lies deeper. @type {any} */
const tags = htm;

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = tags.bind(h);
