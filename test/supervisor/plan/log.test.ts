import { expect, test } from 'vitest';
import { tellProblems } from '../../../supervisor/plan/log.ts';
import { ProfileError } from '../../../supervisor/profile/profile.ts';

function told(count: number) {
  const lines: string[] = [];
  const problems = Array.from({ length: count }, (_, index) => ({
    where: `gpu/x.yaml:${index + 1}:1`,
    path: 'engine',
    message: 'is wrong',
  }));
  const sum = tellProblems(
    { error: (_event: string, text: string) => void lines.push(text) },
    new ProfileError('gpu/x.yaml:1:1: engine: is wrong', problems),
  );
  return { lines, sum };
}

test('many problems in profiles are a line of the log each, up to a bound, and their sum at the end', () => {
  expect(told(1)).toEqual({ lines: [], sum: 'gpu/x.yaml:1:1: engine: is wrong' });
  expect(told(3)).toEqual({
    lines: ['gpu/x.yaml:1:1: engine: is wrong', 'gpu/x.yaml:2:1: engine: is wrong', 'gpu/x.yaml:3:1: engine: is wrong'],
    sum: 'the profiles have 3 problems, told before this; "headgate check" lists them',
  });
  const many = told(50);
  expect(many.lines).toHaveLength(20);
  expect(many.sum).toContain('50 problems, the first 20 told before this');
});
