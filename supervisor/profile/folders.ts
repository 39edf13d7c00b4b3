import { existsSync, realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import { ProfileError, profilesDirectory } from './profile.ts';

const KINDS = ['gpu', 'models', 'tuning'];

/**
 * The folder of the operator's own profiles: `supervisor.profiles_dir`, or else `profiles` beside the state folder, where there is one.
 * null: none. @throws ProfileError when the settings name one that is not there
 */
export function ownProfiles({ supervisor }: Settings, cwd: string): string | null {
  const { profiles_dir: named, state_dir: state } = supervisor;
  if (named !== null) {
    const folder = resolve(cwd, named);
    if (isFolder(folder)) return folder;
    throw new ProfileError(`supervisor.profiles_dir: there is no folder ${folder}`);
  }
  const beside = resolve(cwd, state, '..', 'profiles');
  // In a checkout that is where the package's own are.
  const isOurs = isFolder(beside) && realpathSync(beside) === realpathSync(profilesDirectory());
  return !isOurs && KINDS.some((kind) => isFolder(join(beside, kind))) ? beside : null;
}

/** Every folder to read profiles from, later ones laid over earlier ones. @throws ProfileError as above */
export function profileFolders(settings: Settings, cwd: string): readonly string[] {
  const own = ownProfiles(settings, cwd);
  return own === null ? [profilesDirectory()] : [profilesDirectory(), own];
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
