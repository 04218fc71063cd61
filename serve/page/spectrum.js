/** The spectrogram as a small picture, a pixel for each value, in the colours of the report. */

import { readColours } from "./elements.js";

const ENDS = [0.02, 0.98];

export class Spectrum {
  /** @param {object} measured of the service: `power_db` has a row for each time, which is the middle of its columns */
  constructor(measured) {
    Object.assign(this, measured);
    this.highest = measured.frequencies_hz.at(-1);
    this.limits = measured.limits_db ?? findLimits(measured.power_db);
    this.shades = readColours()("shades").split(" ").map(parseColour);
    this.picture = this.paint();
  }

  /** First and last epoch that it covers, as fractions of epochs. */
  span(night) {
    const times = this.times_s;
    const step = times.length > 1 ? (times.at(-1) - times[0]) / (times.length - 1) : night.scored.epoch_s;
    const toEpoch = (seconds) => (seconds - night.scored.start_s) / night.scored.epoch_s;
    return [Math.max(0, toEpoch(times[0] - step / 2)), Math.min(night.length, toEpoch(times.at(-1) + step / 2))];
  }

  paint() {
    const [width, height] = [this.times_s.length, this.frequencies_hz.length];
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    for (let x = 0; x < width; x += 1) {
      for (let y = 0; y < height; y += 1) {
        pixels.data.set(this.shade(this.power_db[x][height - 1 - y]), 4 * (y * width + x));
      }
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  shade(power) {
    const [low, high] = this.limits;
    const share = Math.max(0, Math.min(1, (power - low) / (high - low)));
    return this.shades[Math.round(share * (this.shades.length - 1))];
  }

  drawRamp(context, x, y, width, height) {
    const each = width / this.shades.length;
    for (const [place, [red, green, blue]] of this.shades.entries()) {
      context.fillStyle = `rgb(${red} ${green} ${blue})`;
      context.fillRect(x + place * each, y, each + 0.5, height);
    }
  }
}

/** Percentiles of all values, at least a decibel apart. */
function findLimits(rows) {
  const values = Float64Array.from(rows.flat().filter((value) => value !== null)).sort();
  const [low, high] = ENDS.map((share) => values[Math.round(share * (values.length - 1))] ?? 0);
  return [low, Math.max(high, low + 1)];
}

function parseColour(text) {
  const digits = [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  return [...digits, 255];
}
