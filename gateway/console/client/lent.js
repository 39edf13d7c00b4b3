import { html } from './html.js';
import * as store from './store.js';
import { Time } from './when.js';

/** Who has a card meanwhile; nothing where nobody does. @param {{ uuid?: string, worker?: string }} props */
export function Lent({ uuid, worker }) {
  const lease = leaseOn({ uuid, worker });
  if (!lease) return null;
  const { holder, state, until, message } = lease;
  return html`<p class="calm">
    ${state === 'preparing' ? `Is made ready for ${holder}. ` : html`Lent to ${holder} until <${Time} at=${until} />. `}${message}
  </p>`;
}

/** @param {{ uuid?: string, worker?: string }} of */
export function leaseOn({ uuid, worker }) {
  const { leases } = /** @type {store.Status} */ (store.status.value);
  return leases.find((lease) => lease.uuid === uuid || lease.workers.some(({ id }) => id === worker));
}
