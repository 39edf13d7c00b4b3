import * as net from 'node:net';
import * as tls from 'node:tls';

/** Where a worker listens. */
export interface Endpoint {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

/** Every plain connection reads into this one; what is kept is copied out before the next read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(65_536);

/** A socket on its way to the worker, whose reads go to `onData`. */
export function openSocket(endpoint: Endpoint, onData: (read: Buffer) => void): net.Socket {
  const options = { host: endpoint.host, port: endpoint.port, noDelay: true };
  if (!endpoint.secure) {
    /** Copies what was read out of the shared buffer: a token's 250 bytes, where Node would set aside 64 KiB for each read. */
    const callback = (bytes: number): boolean => {
      const read = Buffer.allocUnsafe(bytes);
      READ_BUFFER.copy(read, 0, 0, bytes);
      onData(read);
      return true;
    };
    return net.connect({ ...options, onread: { buffer: READ_BUFFER, callback } });
  }
  const servername = net.isIP(endpoint.host) ? '' : endpoint.host;
  const socket = tls.connect({ ...options, servername, ALPNProtocols: ['http/1.1'] });
  socket.on('data', onData);
  return socket;
}
