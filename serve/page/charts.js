/**
 * The night on one time axis: hypnogram, epochs to look at, probability of each stage, spectrogram.
 *
 * All is drawn once; a cursor is an element over it, so that looking at another epoch draws nothing anew. A stage is
 * told by its row and its name, R by a thick bar; colour only repeats it.
 */

import { find, fitCanvas, readColours } from "./elements.js";
import { STAGES, TOP_TO_BOTTOM, UNSCORED, percent } from "./words.js";

const ROW = 16;
const MARKS = 15;
const DENSITY = 14;
const SPECTRUM = 58;
const AXIS = 20;
const GAP = 9;
const NARROW = 720;
const STEPS_S = [60, 300, 600, 900, 1800, 3600, 7200, 14400];

const TOPS = { stages: 2 };
TOPS.marks = TOPS.stages + 5 * ROW + 3;
TOPS.density = TOPS.marks + MARKS + 4;
TOPS.spectrum = TOPS.density + 5 * DENSITY + GAP;
TOPS.axis = TOPS.spectrum + SPECTRUM;
const HEIGHT = TOPS.axis + AXIS;

export class NightChart {
  /** @param {(epoch: number) => void} pick is called with the epoch that is pointed at */
  constructor(pick) {
    this.box = find("chart");
    this.canvas = find("canvas");
    this.night = null;
    this.spectrum = null;
    this.pick = pick;
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  listen() {
    let isDragging = false;
    this.box.addEventListener("pointerdown", (event) => {
      isDragging = true;
      this.box.setPointerCapture(event.pointerId);
      this.pick(this.epochAt(event));
    });
    this.box.addEventListener("pointermove", (event) => {
      if (isDragging) this.pick(this.epochAt(event));
      else this.hover(event);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.box.addEventListener(name, () => {
        isDragging = false;
      });
    }
    this.box.addEventListener("pointerleave", () => {
      find("hover").hidden = true;
    });
  }

  show(night, spectrum) {
    this.night = night;
    this.spectrum = spectrum;
    this.box.setAttribute("aria-valuemax", night.length);
    this.draw();
  }

  /** Everything, after a correction, another width or other colours. */
  draw() {
    const { night } = this;
    const width = this.box.clientWidth;
    if (!night || !width) return;
    this.isNarrow = width < NARROW;
    [this.left, this.right] = [this.isNarrow ? 28 : 34, width - (this.isNarrow ? 4 : 122)];
    const colour = readColours();
    const pen = { context: fitCanvas(this.canvas, width, HEIGHT), colour, family: getComputedStyle(this.box).fontFamily };
    this.drawGuides(pen);
    this.drawStages(pen);
    this.drawMarks(pen);
    for (const [row, stage] of TOP_TO_BOTTOM.entries()) this.drawProbability(pen, row, stage);
    this.drawSpectrum(pen);
    if (!this.isNarrow) this.drawCaptions(pen);
    find("chart-words").textContent = night.describe();
    this.place();
  }

  x(epoch) {
    return this.left + (epoch / this.night.length) * (this.right - this.left);
  }

  epochAt({ clientX }) {
    const share = (clientX - this.box.getBoundingClientRect().left - this.left) / (this.right - this.left);
    return Math.max(0, Math.min(this.night.length - 1, Math.floor(share * this.night.length)));
  }

  /** Where the cursor is: three elements move, nothing is drawn. */
  place(around = 0) {
    const { night, box } = this;
    if (!night || this.left === undefined) return;
    const [x, next] = [this.x(night.cursor), this.x(night.cursor + 1)];
    const cursor = find("cursor").style;
    cursor.transform = `translateX(${(x + next) / 2 - 1}px)`;
    if (around) this.around = around;
    if (this.around) this.placeWindow(night.cursor - this.around, night.cursor + this.around + 1);
    box.setAttribute("aria-valuenow", night.cursor + 1);
    box.setAttribute("aria-valuetext", describeEpoch(night, night.cursor));
  }

  placeWindow(first, last) {
    const [x0, x1] = [this.x(Math.max(0, first)), this.x(Math.min(this.night.length, last))];
    const style = find("window").style;
    style.transform = `translateX(${x0}px)`;
    style.width = `${x1 - x0}px`;
    style.height = `${TOPS.axis}px`;
  }

  hover(event) {
    if (!this.night) return;
    const epoch = this.epochAt(event);
    const x = (this.x(epoch) + this.x(epoch + 1)) / 2;
    const label = find("hover");
    label.hidden = event.pointerType === "touch";
    label.style.transform = `translateX(${x}px)`;
    label.classList.toggle("flip", x > this.right - 150);
    find("hover-text").textContent = describeEpoch(this.night, epoch);
  }

  drawGuides({ context, colour, family }) {
    const { night } = this;
    context.font = `11px ${family}`;
    context.textBaseline = "alphabetic";
    for (const { epoch, label } of listTicks(night, (this.right - this.left) / 64)) {
      const x = Math.round(this.x(epoch)) + 0.5;
      context.fillStyle = colour("faint");
      context.fillRect(x - 0.5, TOPS.stages, 1, TOPS.axis - TOPS.stages + 4);
      context.fillStyle = colour("quiet");
      const half = context.measureText(label).width / 2;
      context.textAlign = "center";
      context.fillText(label, Math.min(Math.max(x, this.left + half), this.right - half), HEIGHT - 4);
    }
  }

  drawStages({ context, colour, family }) {
    const { night } = this;
    const middle = (stage) => TOPS.stages + (TOP_TO_BOTTOM.indexOf(stage) + 0.5) * ROW;
    for (const stage of TOP_TO_BOTTOM) {
      this.nameRow(context, colour, family, stage, middle(stage) + 4);
      context.fillStyle = colour("faint");
      context.fillRect(this.left, Math.round(middle(stage)), this.right - this.left, 1);
    }
    let before = null;
    for (const run of night.runs()) {
      this.drawTransition(context, colour, before, run, middle);
      before = run;
    }
    for (const [stage, first, last] of night.runs()) this.drawRun(context, colour, stage, first, last, middle);
  }

  nameRow(context, colour, family, stage, y) {
    context.font = `${stage === "R" ? 650 : 450} 10.5px ${family}`;
    context.fillStyle = colour("ink");
    context.textAlign = "right";
    context.fillText(stage, this.left - 9, y);
  }

  drawTransition(context, colour, before, [stage, first], middle) {
    if (!before || before[0] === UNSCORED || stage === UNSCORED) return;
    const [y0, y1] = [middle(before[0]), middle(stage)].sort((one, other) => one - other);
    context.fillStyle = colour("line");
    context.fillRect(this.x(first) - 0.5, y0, 1, y1 - y0);
  }

  drawRun(context, colour, stage, first, last, middle) {
    const [x0, x1] = [this.x(first), this.x(last)];
    context.fillStyle = colour(`stage-${stage}`);
    if (stage === UNSCORED) {
      context.fillRect(x0, TOPS.stages, x1 - x0, 5 * ROW);
      return;
    }
    const height = stage === "R" ? 11 : 7;
    const box = [x0, middle(stage) - height / 2, Math.max(x1 - x0, 1), height];
    context.fillRect(...box);
    if (x1 - x0 > 2.5) {
      context.strokeStyle = colour("edge");
      context.lineWidth = 0.75;
      context.strokeRect(...box);
    }
  }

  /** A low mark where somebody should look, a tall one where somebody changed the stage. */
  drawMarks({ context, colour }) {
    const { night } = this;
    const width = Math.max(1, this.x(1) - this.x(0) - 0.25);
    const bottom = TOPS.marks + MARKS - 2;
    context.fillStyle = colour("faint");
    context.fillRect(this.left, bottom, this.right - this.left, 1);
    for (let epoch = 0; epoch < night.length; epoch += 1) {
      const isChanged = night.isChanged(epoch);
      if (!isChanged && !night.isDoubtful(epoch)) continue;
      const height = isChanged ? MARKS - 3 : 6;
      context.fillStyle = colour(isChanged ? "ink" : night.isChecked(epoch) ? "band" : "line");
      context.fillRect(this.x(epoch), bottom - height, isChanged ? Math.max(width, 2) : width, height);
    }
  }

  drawProbability({ context, colour, family }, row, stage) {
    const { night } = this;
    const floor = TOPS.density + (row + 1) * DENSITY;
    const place = STAGES.indexOf(stage);
    context.beginPath();
    context.moveTo(this.left, floor);
    for (let epoch = 0; epoch < night.length; epoch += 1) {
      const y = floor - night.probabilities[epoch][place] * (DENSITY - 3);
      context.lineTo(this.x(epoch), y);
      context.lineTo(this.x(epoch + 1), y);
    }
    context.lineTo(this.right, floor);
    context.fillStyle = colour(`stage-${stage}`);
    context.fill();
    context.strokeStyle = colour("edge");
    context.lineWidth = 0.5;
    context.stroke();
    this.nameRow(context, colour, family, stage, floor - 2);
  }

  drawSpectrum({ context, colour, family }) {
    const { spectrum } = this;
    const [width, top] = [this.right - this.left, TOPS.spectrum];
    context.fillStyle = colour("faint");
    if (!spectrum) context.fillRect(this.left, top, width, SPECTRUM);
    else {
      context.imageSmoothingEnabled = true;
      const [first, last] = spectrum.span(this.night);
      context.drawImage(spectrum.picture, this.x(first), top, this.x(last) - this.x(first), SPECTRUM);
    }
    const highest = spectrum?.highest ?? 30;
    context.font = `10px ${family}`;
    context.fillStyle = colour("quiet");
    context.textAlign = "right";
    for (const hz of [0, 10, 20, 30].filter((one) => one <= highest + 1)) {
      const y = top + SPECTRUM - (SPECTRUM * hz) / highest;
      context.fillText(hz, this.left - 9, Math.min(Math.max(y + 4, top + 8), top + SPECTRUM));
    }
  }

  drawCaptions({ context, colour, family }) {
    const write = (text, y, name = "quiet", weight = 400) => {
      context.font = `${weight} 11px ${family}`;
      context.fillStyle = colour(name);
      context.textAlign = "left";
      context.fillText(text, this.right + 12, y);
    };
    write("Hypnogram", TOPS.stages + 13, "ink", 550);
    write("R is the thick bar", TOPS.stages + 28);
    write(this.night.nChanged ? "look at, changed" : "to look at", TOPS.marks + MARKS - 3);
    write("Probability", TOPS.density + 12, "ink", 550);
    write("a full row is sure", TOPS.density + 27);
    write("Spectrogram", TOPS.spectrum + 11, "ink", 550);
    if (!this.spectrum) return;
    write(`${this.spectrum.derivation}, Hz`, TOPS.spectrum + 26);
    this.spectrum.drawRamp(context, this.right + 12, TOPS.spectrum + 37, 98, 7);
    const [low, high] = this.spectrum.limits.map((limit) => Math.round(limit));
    write(`${low}`.replace("-", "−"), TOPS.spectrum + 57);
    context.textAlign = "right";
    context.fillText(`${high} dB`, this.right + 110, TOPS.spectrum + 57);
  }
}

/** An epoch in a few words. */
export function describeEpoch(night, epoch) {
  const stage = night.stage(epoch);
  const told = stage === UNSCORED ? "no stage" : stage;
  const how = night.isChanged(epoch) ? `corrected, was ${night.stages[epoch]}` : percent(night.confidence(epoch));
  return `${night.time(epoch)}  ${told}, ${how}`;
}

/** Round times of day, or since the start, that leave so much room for each label. */
function listTicks(night, nMost) {
  const first = night.onset(0);
  const length = night.length * night.scored.epoch_s;
  const step = STEPS_S.find((one) => length / one <= nMost) ?? STEPS_S.at(-1);
  const [hours, minutes, seconds] = (night.scored.start_time ?? "0:0:0").split(":").map(Number);
  const offset = hours * 3600 + minutes * 60 + seconds + first;
  const ticks = [];
  for (let at = Math.ceil(offset / step) * step; at <= offset + length; at += step) {
    const epoch = (at - offset) / night.scored.epoch_s;
    ticks.push({ epoch, label: night.time(epoch, false).replace(/^(\d:\d\d):00$/, "$1") });
  }
  return ticks;
}
