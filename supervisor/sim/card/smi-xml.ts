import { smiValue, visibleHolders } from './smi-fields.ts';
import type { VramGpu } from './vram-file.ts';

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** `nvidia-smi -q -x`, as far as anybody here reads it. */
export function smiXml(gpus: readonly VramGpu[], overrides: ReadonlyMap<string, string>): string {
  const lines = [
    '<?xml version="1.0" ?>',
    '<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">',
    '<nvidia_smi_log>',
    `\t<driver_version>${escaped(gpus[0]?.driver_version ?? 'N/A')}</driver_version>`,
    '\t<cuda_version>13.0</cuda_version>',
    `\t<attached_gpus>${gpus.length}</attached_gpus>`,
    ...gpus.flatMap((gpu) => gpuLines(gpu, gpus.length, overrides)),
    '</nvidia_smi_log>',
  ];
  return `${lines.join('\n')}\n`;
}

function gpuLines(gpu: VramGpu, count: number, overrides: ReadonlyMap<string, string>): string[] {
  const value = (field: string): string => escaped(smiValue(gpu, field, count, overrides).replace(/^\[(.*)\]$/, '$1'));
  const mib = (field: string): string => (/^\d+$/.test(value(field)) ? `${value(field)} MiB` : value(field));
  return [
    `\t<gpu id="${value('pci.bus_id')}">`,
    `\t\t<product_name>${value('name')}</product_name>`,
    `\t\t<display_active>${value('display_active')}</display_active>`,
    '\t\t<mig_mode>',
    `\t\t\t<current_mig>${value('mig.mode.current')}</current_mig>`,
    '\t\t</mig_mode>',
    `\t\t<uuid>${value('uuid')}</uuid>`,
    `\t\t<minor_number>${gpu.index}</minor_number>`,
    '\t\t<fb_memory_usage>',
    `\t\t\t<total>${mib('memory.total')}</total>`,
    `\t\t\t<reserved>${mib('memory.reserved')}</reserved>`,
    `\t\t\t<used>${mib('memory.used')}</used>`,
    `\t\t\t<free>${mib('memory.free')}</free>`,
    '\t\t</fb_memory_usage>',
    '\t\t<utilization>',
    `\t\t\t<gpu_util>${value('utilization.gpu')} %</gpu_util>`,
    '\t\t</utilization>',
    '\t\t<temperature>',
    `\t\t\t<gpu_temp>${value('temperature.gpu')} C</gpu_temp>`,
    '\t\t</temperature>',
    '\t\t<gpu_power_readings>',
    `\t\t\t<instant_power_draw>${value('power.draw')} W</instant_power_draw>`,
    `\t\t\t<current_power_limit>${value('power.limit')} W</current_power_limit>`,
    '\t\t</gpu_power_readings>',
    '\t\t<processes>',
    ...visibleHolders(gpu).flatMap((holder) => [
      '\t\t\t<process_info>',
      `\t\t\t\t<pid>${holder.pid}</pid>`,
      '\t\t\t\t<type>C</type>',
      `\t\t\t\t<process_name>${escaped(holder.title)}</process_name>`,
      `\t\t\t\t<used_memory>${Math.round(holder.mib)} MiB</used_memory>`,
      '\t\t\t</process_info>',
    ]),
    '\t\t</processes>',
    '\t</gpu>',
  ];
}
