import type { CardReader, ComputeApp, GpuReading, GpuSurvey } from './gpu.ts';

/** Looks at cards and says what kept it from seeing them. */
export interface CardSurveyor extends CardReader {
  survey(notBeforeMs?: number): Promise<GpuSurvey>;
  apps(): Promise<readonly ComputeApp[]>;
  problem(): string | null;
}

/** The cards that SIM_GPU names, marked as pretended; where there is a real one, that one and no other. */
export class PretendedCards implements CardSurveyor {
  readonly #real: CardSurveyor | null;
  readonly #pretended: CardSurveyor;
  /** Which of the two it is, once one of them has shown a card. */
  #chosen: CardSurveyor | null = null;

  /** `real`: null where nobody wants to know of real cards. */
  constructor(real: CardSurveyor | null, pretended: CardSurveyor) {
    this.#real = real;
    this.#pretended = pretended;
  }

  async read(notBeforeMs?: number): Promise<readonly GpuReading[]> {
    return (await this.survey(notBeforeMs)).gpus;
  }

  async survey(notBeforeMs?: number): Promise<GpuSurvey> {
    if (this.#chosen === null && this.#real !== null) {
      const survey = await this.#real.survey(notBeforeMs);
      if (survey.gpus.length > 0) this.#chosen = this.#real;
    }
    if (this.#chosen === this.#real && this.#real !== null) return this.#real.survey(notBeforeMs);
    const { gpus, problem } = await this.#pretended.survey(notBeforeMs);
    if (gpus.length > 0) this.#chosen = this.#pretended;
    return { gpus: gpus.map((gpu) => ({ ...gpu, simulated: true })), problem };
  }

  apps(): Promise<readonly ComputeApp[]> {
    return (this.#chosen ?? this.#pretended).apps();
  }

  problem(): string | null {
    return (this.#chosen ?? this.#pretended).problem();
  }
}
