import type { Veil } from './veil/veil.ts';

// Lines that engines print. Whoever asks vLLM for it (--enable-log-requests) finds prompts and answers in its log, and some of its errors
// quote what was sent. So only lines of forms that are known go out, and of those none that tells of a request's content.

/** `(EngineCore pid=12) `, `(APIServer pid=12) `, `[rank0]:` … before a line. */
const HEAD = /^(?:\([\w .-]{1,40}pid=\d+(?:, ip=[\d.]+)?\)\s*|\[rank\d+\]:\s?|\(RayWorker\w* .{0,40}\)\s*)*/;
/** vLLM's own logger, uvicorn's and Python's. */
const LOGGED = /^(?:DEBUG|INFO|WARNING|ERROR|CRITICAL):?\s+(?:\d\d-\d\d \d\d:\d\d:\d\d )?(?:\[[\w./<>-]{1,80}:\d+\] )?/;
/** With what came after it: the rest of a logged traceback has the same head. */
const DATED = /^\[?[IWEF]?\d{4}[-\d]*[ T]\d\d:\d\d:\d\d/;
const TRACE_HEAD =
  /^\s*(?:Traceback \(most recent call last\):|The above exception was the direct cause|During handling of the above exception)/;
const FRAME = /^\s+File "[^"\n]{1,300}", line \d+, in [\w<>.]{1,100}$/;
const MARKS = /^\s+[~^]+[~^ ]*$/;
/** uvicorn's: what was asked for behind the ? is a client's. */
const ASKED = /"([A-Z]{3,7} \/[\w./-]{0,80})[^"]* HTTP\/\d\.\d"/;
const RAISED = /^\s*(?:[A-Za-z_][\w]*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|Timeout)(?::|$)/;
const SYSTEM =
  /^(?:Killed|Aborted|Segmentation fault|Bus error|!!!!!!! Segfault|terminate called|free\(\)|malloc|CUDA (?:error|kernel|out)|NCCL|nvidia-smi|Fatal Python error|Loading safetensors|Loading pt|Capturing|usage: vllm|vllm: error|.{0,60}: error while loading shared libraries|headgate)/;
/** What was asked, or answered, or what either is made of. */
const CONTENT =
  /\b(?:received request|generated response|dumping|newrequestdata|schedul\w*output|cachedrequestdata|samplingparams|poolingparams|prompt_token_ids|token_ids|prompt_embeds|multi_?modal_?data|mm_(?:inputs|kwargs|hashes|features)|input_value|input_type|chat_template|lora_request|request body|raw request|request_body|requestoutput|completionoutput|chatcompletion(?:request|message|response)|completionrequest|conversation|tool_calls)\b|["'`]?\b(?:prompts?|messages?|contents?|outputs?|inputs?|texts?|answers?|completions?|queries|query|documents?|user|arguments|delta|choices|body|payload|data)\b\\?["'`]?\s?[:=]\s?(?:\\?["'`[{(]|[fbru]["'])/i;
/** Settings as Python prints them: what of them may go out stands elsewhere. */
const ARGUMENTS = /(non-default args:|Namespace\(|with args|args:|environment variables?:|env:).*$/i;

/** Files of vLLM whose lines are about requests. */
const ABOUT_REQUESTS =
  /^\[(?:[\w./]*\/)?(?:logger|serving\w*|chat_utils|dump_input|protocol|preprocess|renderer\w*|input_\w+|\w*tool_?parser\w*|\w*reasoning\w*|detokenizer|output_processor|processor|chat_\w+|completion\w*|responses\w*|conversation\w*|parse\w*|harmony\w*)\.py:\d+\]/;
/** Classes whose sentence quotes what was sent. */
const QUOTING =
  /^(\s*[\w.]*(?:Validation|Decode|Encode|Template|Undefined|Http|HTTP|BadRequest|OpenAI|Parse|Syntax|Key|Json|JSON)\w*(?:Error|Exception|Warning)):.*$/;
const MOST_LINE = 4_000;

interface EngineLines {
  readonly lines: readonly string[];
  /** Lines of other forms, or about requests. */
  readonly leftOut: number;
}

/** Takes line after line, in their order: a line of code is one only under its place. */
export class EngineLineReader {
  readonly #veil: Veil;
  readonly #lines: string[] = [];
  #leftOut = 0;
  #inARow = 0;
  #isUnderFrame = false;

  constructor(veil: Veil) {
    this.#veil = veil;
  }

  read(raw: string): void {
    // A bar is drawn over itself: only its last state was seen.
    const line = raw
      .slice(0, MOST_LINE)
      .replace(/\r+$/, '')
      .replace(/^[^]*\r/, '');
    const head = HEAD.exec(line)![0];
    const logged = LOGGED.exec(line.slice(head.length))?.[0] ?? '';
    const said = line.slice(head.length + logged.length);
    const isFrame = FRAME.test(said);
    const isCode = this.#isUnderFrame && /^\s{4,}\S/.test(said);
    this.#isUnderFrame = isFrame;
    const isKnown = logged !== '' || isFrame || isCode || [TRACE_HEAD, MARKS, RAISED, SYSTEM, DATED].some((form) => form.test(said));
    if (said.trim() === '' && !isKnown) return;
    const shown = said
      .replace(ARGUMENTS, (_, name: string) => `${name} (left out)`)
      .replace(ASKED, '$1')
      .replace(QUOTING, '$1: (left out)');
    if (!isKnown || isAboutRequests(logged, shown)) {
      this.#inARow += 1;
      this.#leftOut += 1;
      return;
    }
    this.#tellOfGap();
    this.#lines.push(`${head}${logged}${isCode ? codeOnly(shown) : this.#veil.foreign(shown)}`);
  }

  end(): EngineLines {
    this.#tellOfGap();
    return { lines: this.#lines, leftOut: this.#leftOut };
  }

  #tellOfGap(): void {
    if (this.#inARow > 0) this.#lines.push(`(${this.#inARow} ${this.#inARow === 1 ? 'line' : 'lines'} left out)`);
    this.#inARow = 0;
  }
}

/** Who has set the log to debug wants to see requests. */
function isAboutRequests(logged: string, said: string): boolean {
  return CONTENT.test(said) || logged.startsWith('DEBUG') || ABOUT_REQUESTS.test(logged.slice(logged.indexOf('[')));
}

/** A line of somebody's code, without what it holds in quotes. */
function codeOnly(line: string): string {
  return line.replaceAll(/(["'`])(?:(?!\1)[^\\]|\\.)*\1/g, '$1…$1').slice(0, 200);
}
