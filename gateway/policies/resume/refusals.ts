/**
 * Why a stream whose worker is lost does not go on at another: it ends with its error event then, as all do where nobody wants them
 * resumed. Names are labels of `headgate_resumes_total`, words are for people.
 */
export const REFUSALS = {
  // What the request is.
  route: 'It is not a stream of /v1/completions or /v1/chat/completions.',
  engine: 'The engine of its worker is not vLLM: nobody knows how to have another go on.',
  several_answers: 'It asks for several answers: `n`, `best_of`, or several prompts.',
  prompt: 'Its prompt is neither text nor token ids.',
  prefilled: 'It goes on from a message itself: `continue_final_message`, or `add_generation_prompt: false`.',
  multimodal: 'Its messages hold more than text, or its answer is to.',
  tools: 'It offers tools, and `tool_choice` is not "none".',
  structured_output: 'Its answer is held to a schema, a grammar or a choice, which would begin anew in the middle.',
  logprobs: 'It asks for log-probabilities, of which those at the seam would be missing.',
  prompt_logprobs: 'It asks for log-probabilities of the prompt.',
  token_ids: 'It asks for token ids, some of which would come twice.',
  echo: 'It wants its prompt repeated.',
  suffix: 'It has a `suffix`.',
  beam_search: 'It uses beam search.',
  penalties: 'It has a presence or frequency penalty, and the next worker would not know which tokens were output.',
  stop_strings: 'A stop string may have begun in what was sent or held back.',
  hidden_reasoning: 'Its thoughts are hidden (`include_reasoning: false`).',
  engine_fields: 'It carries something for its engine alone, such as `kv_transfer_params`.',
  // What has come of it.
  reasoning: 'Its model has thought aloud, and a thought cannot be gone on from.',
  tool_call: 'A tool call has begun.',
  other_output: 'It has brought something else than text.',
  unreadable: 'Its events are not as vLLM writes them.',
  seam: 'Its last event held several tokens, the last of which may be a part of a character.',
  finished: 'It had finished: only its usage or [DONE] was missing.',
  too_long: 'Its request, or what has come of it, is longer than is kept.',
  // How things stand.
  suspect: 'Workers have died while they served this request.',
  draining: 'The gateway is about to end.',
  deadline: 'Its time was over.',
  client_gone: 'Its client has left.',
  no_worker: 'No other worker of its model was ready in time.',
  most_resumes: 'It has been resumed as often as `resume.max` says.',
  failed_again: 'The next worker did not take it up.',
} as const;

export type NotResumed = keyof typeof REFUSALS;
