import type { BatchRecords, FileRecords, UsageRecords } from '../ports.ts';
import type { ArgsOf, DeskMethod } from './desks.ts';
import type { Store } from './store.ts';

/** All that is kept, as the thread of a file knows it. */
export interface SqlitePorts {
  readonly files: FileRecords;
  readonly batches: BatchRecords;
  readonly usage: UsageRecords;
}

export function sqlitePorts(store: Store): SqlitePorts {
  const listeners = new Set<() => void>();
  const files =
    <Name extends DeskMethod<'files'>>(name: Name) =>
    (...args: ArgsOf<'files', Name>) =>
      store.call('files', name, args);
  const batches =
    <Name extends DeskMethod<'batches'>>(name: Name) =>
    (...args: ArgsOf<'batches', Name>) =>
      store.call('batches', name, args);
  /** Who only looks makes no file, and starts no thread. */
  const unlessNew =
    <Args extends readonly unknown[], Answer>(ask: (...args: Args) => Promise<Answer>, nothing: Answer) =>
    (...args: Args) =>
      store.isThere ? ask(...args) : Promise.resolve(nothing);
  /** After it has happened there may be work. */
  const work =
    <Name extends DeskMethod<'batches'>>(name: Name) =>
    async (...args: ArgsOf<'batches', Name>) => {
      const answer = await store.call('batches', name, args);
      for (const listener of listeners) listener();
      return answer;
    };
  const ports: SqlitePorts = {
    files: {
      addFile: files('addFile'),
      fileOf: files('fileOf'),
      listFiles: files('listFiles'),
      deleteFile: files('deleteFile'),
      uselessFiles: unlessNew(files('uselessFiles'), []),
      forgetFiles: files('forgetFiles'),
      fileIds: unlessNew(files('fileIds'), new Set<string>()),
      totalBytes: files('totalBytes'),
    },
    batches: {
      addBatch: work('addBatch'),
      batchOf: batches('batchOf'),
      listBatches: batches('listBatches'),
      openBatches: unlessNew(batches('openBatches'), []),
      cancelBatch: work('cancelBatch'),
      holdOn: batches('holdOn'),
      letGo: work('letGo'),
      claimBatch: batches('claimBatch'),
      beginLines: batches('beginLines'),
      addLines: batches('addLines'),
      endValidation: work('endValidation'),
      claimSlice: (...args) =>
        // Whoever was told that there is no answer does not know what he has.
        store.call('batches', 'claimSlice', args, (late) => {
          if (late) void ports.batches.releaseSlice(late.claim, args[1]).catch(() => {});
        }),
      releaseSlice: work('releaseSlice'),
      settle: batches('settle'),
      waitingLines: batches('waitingLines'),
      journalsOf: batches('journalsOf'),
      setPause: batches('setPause'),
      beginFinalizing: batches('beginFinalizing'),
      finish: batches('finish'),
      onWork(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    usage: {
      kind: 'file',
      place: store.file,
      async exchange(exchange) {
        const answer = await store.ask({ kind: 'exchange', ...exchange });
        if (!answer.ok) return answer;
        const { grants, database, spent, processes } = answer;
        return { grants, database, spent, processes };
      },
      async usage(fromHour, key) {
        const answer = await store.ask({ kind: 'usage', fromHour, key });
        return answer.ok ? answer.usage : answer;
      },
    },
  };
  return ports;
}
