import { describe, expect, test } from 'vitest';
import { networkProblem } from '../../../gateway/config/schema/values/addresses.ts';
import { clientAddress, sourceOf, trustedProxies } from '../../../gateway/keys/client-address.ts';

describe('where a request comes from', () => {
  const trusted = trustedProxies(['10.0.0.0/8', '192.168.1.1', 'fd00::/8']);
  test.each([
    ['1.2.3.4', undefined, '1.2.3.4'],
    // Nobody vouches for a stranger.
    ['1.2.3.4', '5.6.7.8', '1.2.3.4'],
    ['10.1.1.1', '5.6.7.8', '5.6.7.8'],
    ['::ffff:10.1.1.1', '5.6.7.8', '5.6.7.8'],
    ['10.1.1.1', '9.9.9.9, 5.6.7.8', '5.6.7.8'],
    ['10.1.1.1', '9.9.9.9, 5.6.7.8, 192.168.1.1', '5.6.7.8'],
    ['10.1.1.1', '9.9.9.9 ,10.2.2.2', '9.9.9.9'],
    ['fd00::1', '2001:db8::5', '2001:db8::5'],
    ['10.1.1.1', '', '10.1.1.1'],
    ['10.1.1.1', 'unknown', '10.1.1.1'],
    ['10.1.1.1', 'for=1.2.3.4', '10.1.1.1'],
    ['10.1.1.1', '10.2.2.2', '10.2.2.2'],
    ['10.1.1.1', '10.2.2.2, 10.3.3.3', '10.2.2.2'],
  ])('%s with X-Forwarded-For %j: %s', (socket, forwarded, client) => {
    expect(clientAddress(socket, forwarded, trusted)).toBe(client);
  });

  test.each([
    ['1.2.3.4', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::ffff:102:304', '1.2.3.4'],
    ['1.2.3.4:5678', '1.2.3.4'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ])('%s counts as %s', (address, source) => expect(sourceOf(address)).toBe(source));
});

test.each([
  ['10.0.0.1', null],
  ['10.0.0.0/8', null],
  ['fd00::/8', null],
  ['::1', null],
  ['10.0.0.0/33', 'expected'],
  ['10.0.0/8', 'expected'],
  ['proxy', 'expected'],
  ['10.0.0.0/8/8', 'expected'],
  ['10.0.0.0/', 'expected'],
])('%s as a network: %s', (text, problem) => {
  if (problem === null) expect(networkProblem(text)).toBeNull();
  else expect(networkProblem(text)).toContain(problem);
});
