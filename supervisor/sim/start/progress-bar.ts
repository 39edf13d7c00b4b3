const CELLS = 10;

function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${String(Math.floor(whole / 60)).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`;
}

function times(done: number, total: number, elapsedS: number): string {
  if (done === 0) return `[00:00<?, ?it/s]`;
  const perItem = elapsedS / done;
  const rate = perItem >= 1 || perItem === 0 ? `${perItem.toFixed(2)}s/it` : `${(1 / perItem).toFixed(2)}it/s`;
  return `[${clock(elapsedS)}<${clock(perItem * (total - done))}, ${rate.padStart(9)}]`;
}

function percent(done: number, total: number): string {
  return `${Math.round((100 * done) / total)}%`.padStart(4);
}

/** A state of the bar that tqdm draws while weights are loaded. */
export function shardBar(done: number, total: number, elapsedS: number): string {
  return `Loading safetensors checkpoint shards: ${percent(done, total)} Completed | ${done}/${total} ${times(done, total, elapsedS)}`;
}

/** A state of the bar that tqdm draws while graphs are captured. */
export function graphBar(done: number, total: number, elapsedS: number): string {
  const full = Math.round((CELLS * done) / total);
  const bar = '█'.repeat(full).padEnd(CELLS);
  return `Capturing CUDA graphs (decode, FULL): ${percent(done, total)}|${bar}| ${done}/${total} ${times(done, total, elapsedS)}`;
}
