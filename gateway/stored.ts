import { BatchDesk } from './batches/batch-desk.ts';
import { knownModels } from './batches/known-models.ts';
import { openBatches } from './batches/runner/open-batches.ts';
import type { Runner } from './batches/runner/runner.ts';
import { Validator } from './batches/validator.ts';
import type { FilesPlace } from './config/files-place.ts';
import type { Settings } from './config/schema/settings.ts';
import { type Clock, sleep } from './core/clock.ts';
import type { Events } from './core/events.ts';
import type { Handler } from './core/handler.ts';
import type { Log } from './core/log/log.ts';
import type { Random } from './core/random.ts';
import type { CallTrace } from './core/trace/call-trace.ts';
import type { WorkerDirectory } from './core/worker.ts';
import { FileFolder } from './files/file-folder.ts';
import { Files } from './files/files.ts';
import { RELAYED_BY_PATH } from './http/routes.ts';
import type { Crowd } from './http/crowd.ts';
import type { Lifecycle } from './http/lifecycle.ts';
import type { Overload } from './http/overload.ts';
import { batchesApi } from './http/stored/batches.ts';
import { type FilesApi, filesApi } from './http/stored/files-api.ts';
import type { Door } from './keys/door.ts';
import type { FileBytes } from './state/store/file-bytes.ts';
import type { BatchRecords, FileRecords } from './state/store/ports.ts';
import { fileLog } from './telemetry/events/file-log.ts';

/** How long files that were being sent or fetched at the end may take to be let go of. */
const LAST_FILES_MS = 1_000;
/** What a line of a batch may hold beside its body. */
const LINE_BESIDES_BYTES = 65_536;

/** `bytes`: where those of files can be, too; null: nowhere but in a folder. */
interface KeptRecords {
  readonly files: FileRecords;
  readonly batches: BatchRecords;
  readonly bytes: FileBytes | null;
}

interface StoredContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  readonly log: Log;
  readonly directory: WorkerDirectory;
  readonly door: Door;
  readonly crowd: Crowd;
  readonly overload: Overload;
  readonly lifecycle: Pick<Lifecycle, 'stage'>;
  /** 32 hexadecimal digits that nobody can guess. */
  readonly newId: () => string;
  /** Begins the trace of a line of a batch; null: nobody traces. */
  readonly trace: ((batch: string) => CallTrace) | null;
  readonly settings: () => Settings;
  /** null: nothing is written down here. */
  readonly records: KeptRecords | null;
  /** null: there is no place for them. */
  readonly place: FilesPlace | null;
  /** The policies, as they are now. */
  readonly handler: () => Handler;
  /** How many more calls of a model its workers can run at once. */
  readonly spare: (model: string) => number;
  readonly wantsPrefix: () => boolean;
  /** Several processes share the places. */
  readonly sharesPlaces: boolean;
}

/** What clients leave with the gateway: files, and batches that are made of them. */
export interface Stored {
  readonly files: FilesApi;
  readonly batches: ReturnType<typeof batchesApi>;
  /** null: no batches are run here. */
  readonly runner: Runner | null;
  /** What was cut leaves nothing; what has been answered is on record. */
  close(): Promise<void>;
}

export function openStored(context: StoredContext): Stored {
  const { clock, log, door, directory, newId, settings, records, place, lifecycle } = context;
  const told = fileLog(log, clock);
  const bytes = place?.kind === 'folder' ? new FileFolder(place.path) : place && records && records.bytes;
  const files =
    records &&
    bytes &&
    new Files({ ...{ clock, newId, records: records.files, bytes, settings: () => settings().files }, onTrouble: told.trouble });
  files?.start();

  const holderId = newId();
  const validator = files && records && validatorOf(context, files, records, holderId);
  const desk = validator && records && new BatchDesk({ clock, newId, validator, records: records.batches, files: records.files });
  const runner =
    settings().batches.enabled && files && records && validator
      ? openBatches({
          ...{ clock, random: context.random, events: context.events, log, directory, newId, holderId, trace: context.trace },
          ...{ records: records.batches, bytes: files.bytes, handler: context.handler, spare: context.spare },
          wantsPrefix: context.wantsPrefix,
          sharesPlaces: context.sharesPlaces,
          routeOf: (endpoint) => RELAYED_BY_PATH.get(endpoint) ?? null,
          absent: (owner) => door.absent(owner),
          settings: () => settings().batches,
          filesExpireAfterMs: () => settings().files.expire_batch_files_after_ms,
          validate: (row) => validator.validate(row),
        })
      : null;

  const api = filesApi({
    ...{ clock, files, door, overload: context.overload, crowd: context.crowd, lifecycle: () => lifecycle.stage, told },
    uploadTimeoutMs: () => settings().server.upload_timeout_ms,
  });
  return {
    files: api,
    batches: batchesApi({ clock, door, journals: bytes && bytes.journals, desk: () => (settings().batches.enabled ? desk : null) }),
    runner,
    async close() {
      await Promise.race([api.idle(), sleep(clock, LAST_FILES_MS)]);
      await validator?.close();
      await runner?.close();
      await files?.close();
    },
  };
}

function validatorOf(
  { clock, log, door, directory, settings }: StoredContext,
  files: Files,
  records: KeptRecords,
  holder: string,
): Validator {
  return new Validator({
    ...{ clock, records: records.batches, files: records.files, holder, bytes: files.bytes },
    modelsFor: (owner) => knownModels(directory, door.allowedTo(owner)),
    rules: () => ({
      mostLines: settings().files.batch_max_requests,
      mostLineBytes: settings().server.max_body_bytes + LINE_BESIDES_BYTES,
      mixesModels: settings().batches.allow_mixed_models,
    }),
    onTrouble: (batch, message) =>
      log.warn('batch.validate', `A batch could not be validated yet, and is tried again: ${message}`, { batch }),
  });
}
