import { expect, test } from 'vitest';
import { RetryBudget } from '../../../../gateway/policies/dispatch/retry-budget.ts';

function withdrawAll(budget: RetryBudget): number {
  let retries = 0;
  while (budget.withdraw()) retries++;
  return retries;
}

test('ten retries are there before anything has been paid in, and then none', () => {
  const budget = new RetryBudget();
  expect(withdrawAll(budget)).toBe(10);
  expect(budget.withdraw()).toBe(false);
});

test('after that, retries are the share of calls that was set', () => {
  const budget = new RetryBudget();
  withdrawAll(budget);
  let retries = 0;
  for (let call = 0; call < 1_000; call++) {
    budget.deposit(0.25);
    if (budget.withdraw()) retries++;
  }
  expect(retries).toBe(250);
});

test('with a share of 0 there are none beyond the first ten', () => {
  const budget = new RetryBudget();
  for (let call = 0; call < 1_000; call++) budget.deposit(0);
  expect(withdrawAll(budget)).toBe(10);
});

test('a long good time saves up for a hundred retries and no more', () => {
  const budget = new RetryBudget();
  for (let call = 0; call < 100_000; call++) budget.deposit(0.7);
  expect(withdrawAll(budget)).toBe(100);
});
