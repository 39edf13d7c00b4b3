/* eslint-disable no-control-regex */

/** Colors and cursor movements (CSI), titles and links (OSC), strings for the terminal (DCS, SOS, PM, APC), and what else ESC begins. */
const SEQUENCES =
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)|(?:\u001b[PX^_]|[\u0090\u0098\u009e\u009f])[^\u001b\u009c]*(?:\u001b\\|\u009c)|\u001b[ -/]*[0-~]/g;
/** Control characters other than the tab, those that turn the direction of text or break lines, and those that are never seen. */
const CONTROLS =
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const BREAKS = /[\r\n\u2028\u2029]+/g;
/** Most lines hold nothing of either. */
const ANY = /[^\t\u0020-\u007e]/;

/** A text on one line, without what a terminal would obey instead of showing it, or show where it does not stand. */
export function plainText(text: string): string {
  return ANY.test(text) ? text.replace(SEQUENCES, '').replace(BREAKS, ' ').replace(CONTROLS, '') : text;
}
