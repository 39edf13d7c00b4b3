import { signal } from '@preact/signals';

const KEPT = 'headgate-theme';
const system = matchMedia('(prefers-color-scheme: dark)');

/** How it looks now: as the system has it, until somebody chooses. */
export const theme = signal(now());

/** @returns {'dark' | 'light'} */
function now() {
  const chosen = document.documentElement.dataset['theme'];
  if (chosen === 'dark' || chosen === 'light') return chosen;
  return system.matches ? 'dark' : 'light';
}

system.addEventListener('change', () => (theme.value = now()));

export function turnTheme() {
  const next = theme.value === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset['theme'] = next;
  localStorage.setItem(KEPT, next);
  theme.value = next;
}
