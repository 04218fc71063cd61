/** The epochs around the cursor, one cell each: stage, how sure the model is, what is in doubt, what was changed. */

import { find, fitCanvas, readColours } from "./elements.js";
import { UNSCORED } from "./words.js";

const CELL = 27;
const HEIGHT = 44;

export class Strip {
  /** @param {(epoch: number) => void} pick */
  constructor(pick) {
    this.canvas = find("strip");
    this.box = this.canvas.parentElement;
    this.night = null;
    this.canvas.addEventListener("pointerdown", ({ clientX }) => {
      const offset = Math.floor((clientX - this.canvas.getBoundingClientRect().left - this.first) / CELL);
      const epoch = this.night.cursor - this.around + offset;
      if (epoch >= 0 && epoch < this.night.length) pick(epoch);
    });
    new ResizeObserver(([{ contentRect }]) => {
      this.width = contentRect.width; // told here, so that a move of the cursor measures nothing
      this.draw();
    }).observe(this.box);
  }

  show(night) {
    this.night = night;
    this.dress();
    this.draw();
  }

  /** Colours and letters, read once: the strip is drawn with every move of the cursor. */
  dress() {
    const read = readColours();
    const known = new Map();
    this.colour = (name) => known.get(name) ?? known.set(name, read(name)).get(name);
    this.family = getComputedStyle(this.box).fontFamily;
    this.width = this.box.clientWidth;
  }

  draw() {
    const { night } = this;
    if (!night || !this.width) return;
    this.around = Math.max(2, Math.floor((this.width / CELL - 1) / 2));
    this.first = (this.width - CELL * (2 * this.around + 1)) / 2;
    const context = fitCanvas(this.canvas, this.width, HEIGHT);
    context.textAlign = "center";
    for (let offset = -this.around; offset <= this.around; offset += 1) {
      const epoch = night.cursor + offset;
      if (epoch >= 0 && epoch < night.length) this.drawCell(context, epoch, this.first + (offset + this.around) * CELL, offset);
    }
  }

  drawCell(context, epoch, x, offset) {
    const { night, colour, family } = this;
    const stage = night.stage(epoch);
    const middle = x + CELL / 2;
    if (offset === 0) {
      context.fillStyle = colour("faint");
      context.strokeStyle = colour("ink");
      context.lineWidth = 1.5;
      context.beginPath();
      context.roundRect(x + 0.75, 0.75, CELL - 1.5, HEIGHT - 1.5, 5);
      context.fill();
      context.stroke();
    }
    context.fillStyle = colour(offset === 0 || night.isChanged(epoch) ? "ink" : "quiet");
    context.font = `${offset === 0 || night.isChanged(epoch) ? 650 : 450} 12px ${family}`;
    context.fillText(stage === UNSCORED ? "-" : stage, middle, 25);
    this.drawSure(context, epoch, x, stage);
    context.fillStyle = colour(night.isChanged(epoch) ? "ink" : "quiet");
    context.font = `600 9px ${family}`;
    const sign = night.isChanged(epoch) ? "≠" : night.isChecked(epoch) ? "✓" : night.isDoubtful(epoch) ? "?" : "";
    context.fillText(sign, middle, 11);
  }

  drawSure(context, epoch, x, stage) {
    const { night, colour } = this;
    const height = Math.max(1.5, 10 * (night.isChanged(epoch) ? 1 : night.confidence(epoch)));
    const box = [x + 4.5, HEIGHT - 4 - height, CELL - 9, height];
    context.fillStyle = colour(`stage-${stage}`);
    context.fillRect(...box);
    context.strokeStyle = colour("edge");
    context.lineWidth = 0.5;
    context.strokeRect(...box);
  }
}
