/** A part of a card that MIG has cut off: a GPU of its own as far as CUDA is concerned. */
export interface MigInstance {
  readonly uuid: string;
  readonly parentUuid: string;
  /** Such as `3g.20gb`. */
  readonly profile: string;
  /** As the name says it, in GB; null when it says nothing. */
  readonly nominalGb: number | null;
}

/** MIG's "20gb" are 19.6 GiB, its "5gb" 4.75: of each nominal GB about this much arrives as a GiB. */
const GIB_PER_NOMINAL_GB = 0.95;

/** The MIG instances in the output of `nvidia-smi -L`, the only place where they are listed. */
export function parseMigList(text: string): MigInstance[] {
  const instances: MigInstance[] = [];
  let parentUuid: string | null = null;
  for (const line of text.split('\n')) {
    const gpu = /^GPU \d+:.*\(UUID: (GPU-[^)\s]+)\)/.exec(line);
    if (gpu) parentUuid = gpu[1] as string;
    // Before driver 470 the id was MIG-GPU-<gpu>/<gi>/<ci>.
    const mig = /^\s+MIG\s+(\S+)\s+Device\s+\d+:\s+\(UUID: (MIG-[^)\s]+)\)/.exec(line);
    if (!mig || parentUuid === null) continue;
    const profile = mig[1] as string;
    const size = /(\d+)gb/i.exec(profile);
    instances.push({ uuid: mig[2] as string, parentUuid, profile, nominalGb: size ? Number(size[1]) : null });
  }
  return instances;
}

/** What an instance has, in bytes, as far as its name tells. */
export function migMemoryBytes({ nominalGb }: MigInstance): number | null {
  return nominalGb === null ? null : Math.floor(nominalGb * GIB_PER_NOMINAL_GB * 2 ** 30);
}
