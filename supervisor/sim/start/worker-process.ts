/** Stands for one of vLLM's workers, where a model is spread over several cards: it is there, under its name, and goes with its parent. */
process.title = `VLLM::Worker_TP${process.env['SIM_WORKER_RANK'] ?? '0'}`;
process.on('SIGTERM', () => process.exit(0));
process.on('SIGINT', () => undefined);
process.stdin.on('error', () => undefined);
// Its parent's end of it closes with the parent, however that ends.
process.stdin.on('close', () => process.exit(0));
process.stdin.resume();
