import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';

type Answer = 'nxdomain' | 'servfail' | 'silent' | readonly string[];

/** A DNS server on UDP that knows what it is told; a name that it was told nothing of does not exist. */
export interface DnsServer extends AsyncDisposable {
  /** As a setting takes it: 127.0.0.1:PORT. */
  readonly address: string;
  /** By kind and name: `A vllm.test` → addresses, `SRV _http._tcp.test` → "priority port target". A known name without that kind has no data. */
  readonly answers: Record<string, Answer>;
  readonly asked: string[];
}

const KINDS: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA', 33: 'SRV' };
const CODES = { nxdomain: 3, servfail: 2 } as const;

export async function startDnsServer(): Promise<DnsServer> {
  const answers: Record<string, Answer> = {};
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const { name, end } = nameAt(message, 12);
    const kind = KINDS[message.readUInt16BE(end)] ?? 'OTHER';
    const key = `${kind} ${name}`;
    asked.push(key);
    const isKnown = Object.keys(answers).some((each) => each.endsWith(` ${name}`));
    const said = answers[key] ?? (isKnown ? [] : 'nxdomain');
    if (said === 'silent') return;
    const records = typeof said === 'string' ? [] : said.map((text) => record(kind, text));
    const head = Buffer.alloc(12);
    head.writeUInt16BE(message.readUInt16BE(0), 0);
    head.writeUInt16BE(0x8180 | (typeof said === 'string' ? CODES[said] : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    socket.send(Buffer.concat([head, message.subarray(12, end + 4), ...records]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(socket.address() as AddressInfo).port}`,
    answers,
    asked,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

function nameAt(message: Buffer, start: number): { name: string; end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

/** The question's name, kind, class IN, a second to live, and the data. */
function record(kind: string, text: string): Buffer {
  const data = dataOf(kind, text);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(Number(Object.entries(KINDS).find(([, name]) => name === kind)![0]), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(1, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(kind: string, text: string): Buffer {
  if (kind === 'A') return Buffer.from(text.split('.').map(Number));
  if (kind === 'AAAA') {
    const [left = '', right = ''] = text.split('::');
    const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
    const zeros = Array.from({ length: 8 - groups(left).length - groups(right).length }, () => '0');
    const all = [...groups(left), ...zeros, ...groups(right)];
    return Buffer.concat(all.map((group) => Buffer.from([parseInt(group, 16) >> 8, parseInt(group, 16) & 255])));
  }
  const [priority = '0', port = '0', target = ''] = text.split(' ');
  const head = Buffer.alloc(6);
  head.writeUInt16BE(Number(priority), 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt16BE(Number(port), 4);
  const labels = target.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([head, ...labels, Buffer.from([0])]);
}
