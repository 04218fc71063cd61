/** A scored night, what a person makes of it, and where they are looking. */

import { DOUBTFUL, STAGES, UNSCORED, clock, span } from "./words.js";

/**
 * Events: "cursor" when another epoch is looked at, "stages" when a correction comes or goes, "review" when the list
 * of doubtful epochs has come.
 */
export class Night extends EventTarget {
  /** @param {object} scored StagedNight of the service */
  constructor(scored, name = "") {
    super();
    this.scored = scored;
    this.id = scored.id;
    this.name = name || "Night";
    this.stages = scored.stages;
    this.length = scored.stages.length;
    this.probabilities = scored.probabilities.map((row) => order(row, scored.probability_order));
    this.corrections = new Map();
    this.past = [];
    this.future = [];
    this.cursor = 0;
    this.review = [];
    this.isReviewed = false;
    this.ranks = new Map();
  }

  /** The stage that stands: the corrected one, where there is one. */
  stage(epoch) {
    return this.corrections.get(epoch) ?? this.stages[epoch];
  }

  /** Probability that the model gave to the stage it named. */
  confidence(epoch) {
    return this.probabilities[epoch][STAGES.indexOf(this.stages[epoch])] ?? 0;
  }

  isDoubtful(epoch) {
    return this.ranks.has(epoch) || (!this.isReviewed && this.confidence(epoch) < DOUBTFUL);
  }

  /** Whether a person has given this epoch a stage, another one or the same. */
  isChecked(epoch) {
    return this.corrections.has(epoch);
  }

  isChanged(epoch) {
    return this.corrections.has(epoch) && this.corrections.get(epoch) !== this.stages[epoch];
  }

  get nChanged() {
    return [...this.corrections.keys()].filter((epoch) => this.isChanged(epoch)).length;
  }

  get nChecked() {
    return this.review.filter(({ index }) => this.isChecked(index)).length;
  }

  /** Seconds from the start of the recording to the epoch. */
  onset(epoch) {
    return this.scored.start_s + epoch * this.scored.epoch_s;
  }

  /** Time of day of an epoch, or since the start of the recording where no time of day is known. */
  time(epoch, withSeconds = true) {
    return clock(this.scored.start_time, this.onset(epoch), withSeconds) ?? span(this.onset(epoch));
  }

  moveTo(epoch) {
    const target = Math.max(0, Math.min(this.length - 1, epoch));
    if (target === this.cursor) return;
    this.cursor = target;
    this.dispatchEvent(new Event("cursor"));
  }

  /** Give an epoch a stage; null takes the correction back. */
  correct(epoch, stage) {
    const before = this.corrections.get(epoch) ?? null;
    if (before === stage) return;
    this.past.push({ epoch, before, after: stage });
    this.future = [];
    this.put(epoch, stage);
  }

  undo() {
    return this.travel(this.past, this.future, "before");
  }

  redo() {
    return this.travel(this.future, this.past, "after");
  }

  travel(from, to, side) {
    const step = from.pop();
    if (!step) return null;
    to.push(step);
    this.put(step.epoch, step[side]);
    this.moveTo(step.epoch);
    return step;
  }

  put(epoch, stage) {
    if (stage === null) this.corrections.delete(epoch);
    else this.corrections.set(epoch, stage);
    this.dispatchEvent(new CustomEvent("stages", { detail: { epoch } }));
  }

  /** Corrections that the service has kept; nothing of this is undone. */
  restore(stages) {
    this.corrections = new Map(Object.entries(stages).map(([epoch, stage]) => [Number(epoch), stage]));
    this.dispatchEvent(new CustomEvent("stages", { detail: { isRestored: true } }));
  }

  setReview(epochs) {
    this.review = epochs;
    this.isReviewed = true;
    this.ranks = new Map(epochs.map(({ index }, rank) => [index, rank]));
    this.dispatchEvent(new Event("review"));
  }

  /** The epoch so many places further down the review list; from one that is not in it, the top of the list. */
  walk(step) {
    if (!this.review.length) return null;
    const rank = this.ranks.get(this.cursor);
    const next = rank === undefined ? 0 : Math.max(0, Math.min(this.review.length - 1, rank + step));
    return this.review[next].index;
  }

  /** The next epoch in time that is in doubt and that nobody has checked. */
  nextDoubt(step = 1) {
    for (let epoch = this.cursor + step; epoch >= 0 && epoch < this.length; epoch += step) {
      if (this.isDoubtful(epoch) && !this.isChecked(epoch)) return epoch;
    }
    return null;
  }

  /** The next epoch in time whose stage differs from the one before it. */
  nextChange(step = 1) {
    for (let epoch = this.cursor + step; epoch > 0 && epoch < this.length; epoch += step) {
      if (this.stage(epoch) !== this.stage(epoch - 1)) return epoch;
    }
    return null;
  }

  /** Stretches of equal stages: stage, first epoch, the one after the last. */
  *runs() {
    let first = 0;
    for (let epoch = 1; epoch <= this.length; epoch += 1) {
      if (epoch === this.length || this.stage(epoch) !== this.stage(first)) {
        yield [this.stage(first), first, epoch];
        first = epoch;
      }
    }
  }

  /** In words, for those who do not see the chart. */
  describe() {
    const counts = [...STAGES, UNSCORED].map((stage) => [stage, this.stages.filter((_, at) => this.stage(at) === stage).length]);
    const told = counts.filter(([, n]) => n).map(([stage, n]) => `${n} of ${stage === UNSCORED ? "no stage" : stage}`);
    return `Hypnogram of ${this.length} epochs: ${told.join(", ")}. Below it the probability of each stage and the spectrogram.`;
  }
}

/** Probabilities in the order of `STAGES`. */
function order(row, names) {
  return STAGES.map((stage) => row[names.indexOf(stage)]);
}
