import { describe, expect, test } from 'vitest';
import { EnginePace, PaceFloor } from '../../../gateway/engines/pace.ts';

describe('the pace of what tells no load', () => {
  test('is a strain of one before it has answered, and for the fastest', () => {
    const floor = new PaceFloor();
    const [fast, slow] = [new EnginePace(floor), new EnginePace(floor)];
    expect(fast.strain(0)).toBe(1);
    for (let i = 0; i < 20; i++) {
      fast.answered(100, 0);
      slow.answered(400, 0);
    }
    expect(fast.strain(0)).toBeLessThan(1.05);
    expect(slow.strain(0)).toBeGreaterThan(3.5);
    expect(slow.strain(0)).toBeLessThan(4.1);
  });

  test('shows that one alone has become slower than it was', () => {
    const pace = new EnginePace(new PaceFloor());
    for (let i = 0; i < 20; i++) pace.answered(100, 0);
    for (let i = 0; i < 20; i++) pace.answered(900, 0);
    expect(pace.strain(0)).toBeGreaterThan(7);
  });

  test('counts failures, up to a bound, and forgives with time', () => {
    const pace = new EnginePace(new PaceFloor());
    for (let i = 0; i < 50; i++) pace.ended(true, 0);
    const worst = pace.strain(0);
    expect(worst).toBeGreaterThan(9);
    expect(worst).toBeLessThanOrEqual(10);
    expect(pace.strain(10_000) - 1).toBeCloseTo((worst - 1) / 2);
    expect(pace.strain(200_000)).toBeCloseTo(1, 3);
    for (let i = 0; i < 50; i++) pace.ended(false, 0);
    expect(pace.strain(0)).toBeLessThan(1.01);
  });
});
