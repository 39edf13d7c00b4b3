import { isObject } from '../../core/json/json.ts';
import { garbage } from './trouble.ts';

/** What an EndpointSlice (discovery.k8s.io/v1) says of where pods are. */
export interface Slice {
  readonly name: string;
  /** Its resourceVersion, where that is a number: later ones are greater. null: nobody can say. */
  readonly version: bigint | null;
  readonly family: 4 | 6;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

export interface SlicePort {
  /** Empty for the only port of a service that has no name. */
  readonly name: string;
  readonly port: number;
}

export interface SliceEndpoint {
  /** Of those that it has the first: all lead to the same pod. */
  readonly address: string;
  readonly uid: string | null;
  readonly isReady: boolean;
  readonly isTerminating: boolean;
}

/** Kubernetes makes them of a hundred, and lets nobody make any of more. */
const MOST_ENDPOINTS = 1_000;

/**
 * Reads an EndpointSlice as the API server sends it; null for one of host names (FQDN), which no pod has.
 * @throws ApiTrouble for what is none: whoever says such a thing is not believed that pods are gone
 */
export function readSlice(said: unknown): Slice | null {
  const name = nameOf(said);
  const { addressType, metadata, ports, endpoints } = said as Readonly<Record<string, unknown>>;
  if (addressType === 'FQDN') return null;
  if (addressType !== 'IPv4' && addressType !== 'IPv6') throw garbage('an EndpointSlice');
  return {
    name,
    version: versionOf((metadata as Readonly<Record<string, unknown>>)['resourceVersion']),
    family: addressType === 'IPv4' ? 4 : 6,
    ports: listOf(ports).flatMap(readPort),
    endpoints: listOf(endpoints).slice(0, MOST_ENDPOINTS).flatMap(readEndpoint),
  };
}

/** The name of what an event is about, whatever else is wrong with it. @throws ApiTrouble where it has none */
export function nameOf(said: unknown): string {
  const metadata = isObject(said) ? said['metadata'] : null;
  if (!isObject(metadata) || typeof metadata['name'] !== 'string') throw garbage('an EndpointSlice');
  return metadata['name'];
}

export function versionOf(text: unknown): bigint | null {
  return typeof text === 'string' && /^\d{1,20}$/.test(text) ? BigInt(text) : null;
}

/** Go writes an empty list as null, or not at all. */
function listOf(value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw garbage('an EndpointSlice');
  return value;
}

function readPort(said: unknown): SlicePort[] {
  if (!isObject(said)) throw garbage('an EndpointSlice');
  const { name, port, protocol } = said;
  if (protocol !== undefined && protocol !== null && protocol !== 'TCP') return [];
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return [];
  return [{ name: typeof name === 'string' ? name : '', port }];
}

/** One without an address is no endpoint: a pod that was evicted has none left. */
function readEndpoint(said: unknown): SliceEndpoint[] {
  if (!isObject(said)) throw garbage('an EndpointSlice');
  const [address] = listOf(said['addresses']);
  if (typeof address !== 'string' || address === '') return [];
  const conditions = isObject(said['conditions']) ? said['conditions'] : {};
  const target = isObject(said['targetRef']) ? said['targetRef'] : {};
  const uid = typeof target['uid'] === 'string' && target['uid'] !== '' ? target['uid'] : null;
  // Kubernetes: what is not said of readiness is to be read as ready.
  return [{ address, uid, isReady: conditions['ready'] !== false, isTerminating: conditions['terminating'] === true }];
}
