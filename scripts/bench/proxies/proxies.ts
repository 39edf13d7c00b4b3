import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, ownProgram, versionOf } from './programs.ts';

/** What a proxy is started with. */
export interface Place {
  readonly port: number;
  readonly stubPort: number;
  /** For what else it listens on. */
  readonly sparePort: number;
  /** Of its own, for settings and the like. */
  readonly folder: string;
  /** How many files a process may have open here. */
  readonly filesMost: number;
  /** Settings of the gateway beyond its usual ones; nobody else looks at them. */
  readonly settings: string;
}

export interface Proxy {
  readonly name: string;
  /** What it is, for the list below the table. */
  readonly what: string;
  readonly version: () => string | null;
  readonly command: (place: Place) => readonly string[];
  readonly stopSignal?: NodeJS.Signals;
  /** Before the path of each call. */
  readonly prefix?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** As `npm start` and the installed command have them. */
const NODE_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=100'];

/** The gateway that is measured, and the floor under it. */
export const GATEWAY = 'headgate';
export const FLOOR = 'bare';
export const PLAIN = 'haproxy';
/** What the bench can start without installing anything. */
export const PROXY_NAMES: readonly string[] = [GATEWAY, FLOOR, PLAIN, 'nginx'];

/** What the gateway is set to; all else has its default. The stub runs any number of streams at once. */
const SETTINGS = (port: number, stubPort: number) =>
  `server: { port: ${port} }\nworkers: [{ url: "http://127.0.0.1:${stubPort}", max_num_seqs: 8192 }]\n`;

const HAPROXY = ({ port, stubPort, filesMost }: Place) => `global
  nbthread 1
  maxconn ${Math.min(8192, Math.floor((filesMost - 100) / 2))}
defaults
  mode http
  timeout client 300s
  timeout server 300s
  timeout connect 5s
  option http-no-delay
frontend clients
  bind 127.0.0.1:${port}
  default_backend workers
backend workers
  http-reuse always
  server stub 127.0.0.1:${stubPort}
`;

const NGINX = ({ port, stubPort, filesMost }: Place) => `worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr crit;
worker_rlimit_nofile ${filesMost};
events { worker_connections ${Math.min(16_384, filesMost - 100)}; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream workers { server 127.0.0.1:${stubPort}; keepalive 256; keepalive_requests 1000000; keepalive_timeout 4s; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    keepalive_requests 1000000;
    location / {
      proxy_pass http://workers; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 300s;
      client_max_body_size 64m; client_body_buffer_size 128k;
    }
  }
}
`;

/** Every proxy that the bench knows how to start, a line each, and that is installed here; what comes from the Python registry stands in peers.ts. */
export function installedProxies(without: ReadonlySet<string>): Proxy[] {
  const haproxy = findProgram('haproxy', without);
  const nginx = findProgram('nginx', without);
  const node = [process.execPath, ...NODE_FLAGS];
  return [
    {
      ...{ name: GATEWAY, what: 'this gateway, metrics and log on (its log goes to a file)', version: () => null, stopSignal: 'SIGINT' },
      command: (at) => [
        ...node,
        ownProgram('../../headgate'),
        'gateway',
        '--config',
        write(at, 'headgate.yaml', SETTINGS(at.port, at.stubPort) + at.settings),
      ],
    },
    {
      ...{ name: FLOOR, what: 'the floor: node:http and an own socket to the worker, no feature', version: () => process.versions.node },
      command: (at) => [...node, ownProgram('../tools/bare-relay'), String(at.port), String(at.stubPort)],
    },
    ...(haproxy === null
      ? []
      : [
          {
            ...{ name: PLAIN, what: 'HAProxy, one thread, no log', version: () => versionOf(haproxy, '-v') },
            command: (at: Place) => [haproxy, '-db', '-f', write(at, 'haproxy.cfg', HAPROXY(at))],
          },
        ]),
    ...(nginx === null
      ? []
      : [
          {
            ...{ name: 'nginx', what: 'nginx, one worker, no log', version: () => versionOf(nginx, '-v') },
            command: (at: Place) => [nginx, '-c', write(at, 'nginx.conf', NGINX(at)), '-p', at.folder],
          },
        ]),
  ];
}

/** Writes a file for a proxy into its folder. @returns its path */
export function write({ folder }: Place, name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}
