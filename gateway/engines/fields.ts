/** Constraints on the answer by vLLM's names, older ones among them: others have `response_format`, which all of them know. */
export const ofVllmAlone: readonly string[] = [
  'structured_outputs',
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'guided_whitespace_pattern',
];
