import type { BatchObject } from '../../../gateway/batches/batch-object.ts';
import { type BatchContext, failed } from './context.ts';
import { askApi } from './stored-api.ts';

/** `headgate batch cancel ID`: what runs may end, what waits does not begin; what has ended stays. */
export async function cancel(context: BatchContext, id: string): Promise<number> {
  const told = await askApi<BatchObject>(await context.api(), 'POST', `/v1/batches/${encodeURIComponent(id)}/cancel`);
  if (told.kind === 'failed') return failed(context, told.message);
  context.out.write(`${told.body.id} ${told.body.status}\n`);
  return 0;
}
