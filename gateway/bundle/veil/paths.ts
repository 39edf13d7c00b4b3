import type { Kind } from './stand-ins.ts';

/** What is a path of an API, and of no disk. */
export const ENDPOINT =
  /^\/(?:v1|admin|debug|console|metrics|stats|health|livez|readyz|startupz|version|ping|tokenize|detokenize|wake_up|sleep|is_sleeping|pause|resume|docs|openapi\.json|redoc|invocations|load|server_info)(?:[/?]|$)/;
/** What a system puts there itself. */
const SYSTEM = [
  /^\/(?:usr\/(?:libexec|share|include)|(?:usr\/)?(?:lib(?:32|64)?|s?bin))(?:\/|$)/,
  /^\/usr\/local\/(?:cuda[\d.-]*|lib\/python[\d.]+)(?:\/(?![\w-]*-packages\/)|$)/,
  /^\/dev(?:\/(?:null|zero|u?random|shm|kfd|dri|nvidia[a-z\d-]*|std(?:in|out|err)))?$/,
  /^\/proc(?:\/(?!(?:cwd|root)\/)[\w.-]+){0,4}\/?$/,
  /^\/sys(?!\/fs\/cgroup\/)(?:\/[\w.:-]+){0,8}\/?$/,
  /^\/sys\/fs\/cgroup\/(?:(?:memory|cpu|cpuset|pids|io)\/)?(?:memory|cpu|cpuset|pids|io|cgroup)\.[\w.]+$/,
];
/** From here on a path says what the code is, and not whose. */
const CODE =
  /\/(?:(?:(?:site|dist)-packages|node_modules)\/.*|(?:gateway|supervisor|scripts)(?:\/[a-z][a-z\d-]{0,40}){1,6}\.[jt]s|profiles\/[\w.-]{1,64}\.yaml|headgate(?:\.example)?\.yaml)$/;
/** Everybody has these folders; what lies in them may be named after anybody. */
const FOLDER =
  /^\/(?:(?:etc|opt|run|var\/(?:lib|log|cache))\/headgate|usr\/local(?:\/bin)?|usr|etc|opt|run|tmp|var\/(?:lib|log|run|tmp)|var|app|workspace|vllm-workspace)(?=\/|$)/;
const ALONE = /^\/(?:home|root|mnt|media|srv|data|models?|cache)\/?$/;
const OURS = /^\/(?:etc\/headgate\/keys(?:\/keys\.yaml)?|etc\/systemd\/system|usr\/local\/bin\/(?:headgate|vllm|node|python[\d.]*|uv))\/?$/;

/** Of code, of the system and of ours as it is; of others no more than the folder that everybody has. */
export function shownPath(text: string, to: (kind: Kind, text: string) => string): string {
  if ([ENDPOINT, ALONE, OURS, ...SYSTEM].some((form) => form.test(text))) return text;
  const code = CODE.exec(text)?.[0];
  if (code !== undefined) return `…${code}`;
  const folder = FOLDER.exec(text)?.[0];
  if (folder !== undefined) return text.length <= folder.length + 1 ? text : `${folder}/${to('path', text.slice(folder.length + 1))}`;
  // A fraction, or a unit: no path.
  return (text.match(/[\\/]/g)?.length ?? 0) < 2 && !/^(?:[~A-Za-z]|\/[A-Za-z][\w.-]{3})/.test(text) ? text : to('path', text);
}
