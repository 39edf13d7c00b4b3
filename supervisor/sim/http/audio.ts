import { encode } from '../text/tokenizer.ts';
import { badRequest, invalidFields } from '../request/api-error.ts';
import { hexId, nowSeconds } from '../request/exchange.ts';
import type { Exchange } from '../request/exchange.ts';
import type { JsonObject } from '../request/fields.ts';
import { errorEvent, runToEnd } from '../request/job.ts';
import { checkModel, modelName } from '../request/models.ts';
import { Recital, scriptTokens } from '../text/prose.ts';
import { newChoice, readSampling } from '../request/sampling.ts';

interface Upload {
  readonly fields: JsonObject;
  /** Bytes of the file; null where there was none. */
  readonly fileBytes: number | null;
}

/** Sixteen bits, 16 kHz, one channel: what an uncompressed recording takes. */
const BYTES_PER_SECOND = 32_000;

/** Takes a multipart body apart, as far as its fields and the size of its file go. */
function readMultipart(body: Buffer, contentType: string): Upload {
  const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType);
  const mark = boundary === null ? null : Buffer.from(`--${boundary[1] ?? boundary[2]}`);
  const fields: JsonObject = {};
  let fileBytes: number | null = null;
  let at = mark === null ? -1 : body.indexOf(mark);
  while (mark !== null && at >= 0) {
    const begin = at + mark.length + 2;
    const end = body.indexOf(mark, begin);
    if (end < 0) break;
    const headEnd = body.indexOf('\r\n\r\n', begin);
    if (headEnd >= 0 && headEnd < end) {
      const head = body.toString('utf8', begin, headEnd);
      const name = /name="([^"]*)"/i.exec(head)?.[1];
      const size = end - 2 - (headEnd + 4);
      if (/filename=/i.test(head)) fileBytes = size;
      else if (name !== undefined) fields[name] = body.toString('utf8', headEnd + 4, end - 2);
    }
    at = end;
  }
  return { fields, fileBytes };
}

const FORMATS = ['json', 'text', 'srt', 'verbose_json', 'vtt', 'diarized_json'];

/** What is wrong with the format asked for, in vLLM's order. It knows more names than it can write. */
function checkFormat(exchange: Exchange, fields: JsonObject, isStream: boolean): string {
  const format = String(fields['response_format'] ?? 'json');
  if (!FORMATS.includes(format)) {
    const expected = `${FORMATS.slice(0, -1)
      .map((name) => `'${name}'`)
      .join(', ')} or '${FORMATS.at(-1)}'`;
    const msg = `Input should be ${expected}`;
    throw invalidFields([{ type: 'literal_error', loc: ['body', 'response_format'], msg, input: format, ctx: { expected } }]);
  }
  checkModel(exchange, fields);
  if (format === 'srt' || format === 'vtt')
    throw badRequest('Currently only support response_format: `text`, `json`, `verbose_json` or `diarized_json`');
  if (format === 'diarized_json') throw badRequest(`Currently do not support diarized_json for ${modelName(exchange)}`);
  if (format === 'verbose_json' && isStream) throw badRequest("verbose_json format doesn't support streaming case");
  return format;
}

/** The answer with its one segment: how sure the model was is made up. */
function verbose(text: string, language: unknown, duration: number): object {
  const tokens = encode(text);
  const segment = {
    id: 0,
    avg_logprob: -0.2,
    compression_ratio: 1.2,
    end: duration,
    no_speech_prob: null,
    seek: 0,
    start: 0,
    temperature: 0,
    text,
    tokens,
  };
  return { duration, language: typeof language === 'string' ? language : 'en', text, segments: [segment], words: null };
}

async function answerUpload(exchange: Exchange, task: 'transcription' | 'translation'): Promise<void> {
  const contentType = exchange.header('content-type') ?? '';
  const body = await exchange.read();
  if (!/^multipart\/form-data/i.test(contentType)) throw badRequest('The body must be multipart/form-data.', 'file');
  const { fields, fileBytes } = readMultipart(body, contentType);
  if (fileBytes === null) throw invalidFields([{ type: 'missing', loc: ['body', 'file'], msg: 'Field required', input: null }]);
  const isStream = fields['stream'] === 'true' || fields['stream'] === 'True';
  const format = checkFormat(exchange, fields, isStream);
  const text = `This is simulated text: the upload for ${task} had ${fileBytes} bytes.`;
  const seconds = Math.max(1, Math.ceil(fileBytes / BYTES_PER_SECOND));
  const script = new Recital(scriptTokens(text, 'content'));
  const choice = newChoice(readSampling(exchange.sim, {}), 0, encode(`${task} ${fileBytes}`), exchange.sim.maxModelLen - 16, script);
  const stream = isStream ? exchange.stream() : null;
  try {
    await runToEnd(exchange, [choice]);
  } catch (error) {
    if (stream === null) throw error;
    stream.event(errorEvent(exchange.sim.engine.dead ? 'engine-dead' : 'request-error'));
    stream.event('data: [DONE]\n\n');
    return stream.end();
  }
  if (stream !== null) {
    const head = { id: `trsc-${hexId()}`, object: `${task}.chunk`, created: nowSeconds(), model: modelName(exchange) };
    for (const segment of choice.pending) {
      stream.event(
        `data: ${JSON.stringify({ ...head, choices: [{ delta: { content: segment.text }, finish_reason: segment.text === '' ? 'stop' : null, stop_reason: null }] })}\n\n`,
      );
    }
    stream.event('data: [DONE]\n\n');
    return stream.end();
  }
  if (format === 'verbose_json') return exchange.json(200, verbose(text, fields['language'], fileBytes / BYTES_PER_SECOND));
  // `text` is the same: vLLM writes JSON for it, too.
  exchange.json(200, task === 'translation' ? { text } : { text, usage: { type: 'duration', seconds } });
}

/** `POST /v1/audio/transcriptions` */
export function transcriptions(exchange: Exchange): Promise<void> {
  return answerUpload(exchange, 'transcription');
}

/** `POST /v1/audio/translations` */
export function translations(exchange: Exchange): Promise<void> {
  return answerUpload(exchange, 'translation');
}
