// A stand-in for an engine: just enough of its outside for a supervisor to launch, probe and stop it.
// usage: fake-engine.ts MODE serve MODEL --served-model-name NAME --port N ...
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import process from 'node:process';

const [mode = 'good', , model = ''] = process.argv.slice(2);
const flag = (name: string) => process.argv[process.argv.indexOf(`--${name}`) + 1] ?? '';
const name = flag('served-model-name');

if (mode === 'bad-flag') {
  process.stderr.write('usage: vllm serve\nvllm serve: error: unrecognized arguments: --swap-space 4\n');
  process.exit(2);
}
if (mode === 'broken') {
  process.stdout.write('(EngineCore pid=7) INFO 01-01 00:00:00 [gpu.py:1] Starting to load model x...\n');
  process.stderr.write('(EngineCore pid=7) RuntimeError: a tensor of size 7 was not expected\n');
  process.stderr.write('(APIServer pid=6) RuntimeError: Engine core initialization failed. See root cause above.\n');
  process.exit(1);
}
if (mode === 'port-taken' && flag('port') === process.env['VLLM_FAKE_BAD_PORT']) {
  process.stderr.write('OSError: [Errno 98] Address already in use\n');
  process.exit(1);
}
if (mode === 'deaf') process.on('SIGTERM', () => process.stdout.write('not listening\n'));
if (mode === 'orphan' || mode === 'pair') {
  const deaf = mode === 'orphan' ? "process.on('SIGTERM', () => {});" : '';
  const child = spawn(process.execPath, ['-e', `${deaf} setInterval(() => {}, 1000)`], { stdio: 'inherit' });
  process.stdout.write(`engine core is ${child.pid}\n`);
}

process.stdout.write('(EngineCore pid=7) INFO 01-01 00:00:00 [gpu.py:1] Model loading took 1.07 GiB memory and 0.1 seconds\n');
const server = createServer((request, response) => {
  request.resume();
  response.setHeader('content-type', 'application/json');
  if (request.url === '/health') return response.end();
  if (request.url === '/version') return response.end(JSON.stringify({ version: '0.0.0-fake' }));
  if (request.url === '/v1/models')
    return response.end(JSON.stringify({ data: [{ id: name, root: model, parent: null, max_model_len: 4096 }] }));
  if (request.url === '/busy') {
    response.end('{}');
    // Nobody else is answered meanwhile.
    for (const until = Date.now() + 3000; Date.now() < until;);
    return;
  }
  if (request.url === '/die') {
    response.end('{}');
    process.exit(0);
  }
  return response.end(JSON.stringify({ choices: [{ text: 'x' }] }));
});
server.listen(Number(flag('port')), '127.0.0.1', () => process.stdout.write('INFO:     Application startup complete.\n'));
if (mode !== 'deaf') process.on('SIGTERM', () => process.exit(0));
