/**
 * Stands for vLLM's EngineCore: a child that does nothing but be there. Like the real one it does not notice when its parent is killed,
 * and then stays behind as an orphan; it ends on the SIGTERM of an orderly shutdown. All the work is done in the parent.
 */
process.title = 'VLLM::EngineCore';
process.on('SIGTERM', () => process.exit(0));
// Ctrl-C in a terminal reaches the whole group; the parent decides.
process.on('SIGINT', () => undefined);
setInterval(() => undefined, 2 ** 30);
