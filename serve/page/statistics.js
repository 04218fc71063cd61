/** Sleep statistics of the stages that stand, each with a scale that shows what is usual. */

import { find, make } from "./elements.js";
import { measure, usual } from "./words.js";

const SHORT = {
  "Time in bed": "Time in bed",
  "Total sleep time": "Sleep time",
  "Sleep efficiency": "Efficiency",
  "Sleep onset latency": "Onset",
  "Wake after sleep onset": "WASO",
  "REM latency": "R latency",
};

export function showStatistics(statistics) {
  find("numbers").replaceChildren(...statistics.map(makeTile));
}

function makeTile(one) {
  const words = [one.definition, one.normal ? `usual: ${usual(one.normal, one.unit)}` : "", one.source ?? ""];
  const name = make("dt", {}, SHORT[one.name] ?? one.name);
  const value = make("dd", {}, make("b", { textContent: measure(one.value, one.unit) }));
  const tile = make("div", { className: "tile", title: [one.name, ...words].filter(Boolean).join("\n") }, name, value);
  if (one.normal) {
    name.append(make("small", { textContent: shorten(one.normal), ariaLabel: `usual: ${usual(one.normal, one.unit)}` }));
    value.append(make("span", { className: "sign", textContent: sign(one) }), makeScale(one));
  }
  return tile;
}

/** What is usual in a few letters. */
function shorten([low, high]) {
  if (high === null) return `≥ ${low}`;
  return low === null ? `≤ ${high}` : `${low}–${high}`;
}

/** Below, within or above what is usual, as a sign: colour says nothing here. */
function sign({ value, normal: [low, high] }) {
  if (value === null) return "";
  if (low !== null && value < low) return "▼";
  return high !== null && value > high ? "▲" : "✓";
}

function makeScale({ value, unit, normal: [low, high] }) {
  const top = unit === "%" && high === null ? 100 : 1.15 * Math.max(high ?? low, value ?? 0, 1);
  const place = (number) => `${(100 * Math.max(0, Math.min(number, top))) / top}%`;
  const scale = make("span", { className: "scale", "aria-hidden": "true" });
  const band = make("span", { className: "usual" });
  band.style.left = place(low ?? 0);
  band.style.right = `calc(100% - ${place(high ?? top)})`;
  scale.append(band);
  if (value !== null) {
    const mark = make("span", { className: "here" });
    mark.style.left = place(value);
    scale.append(mark);
  }
  return scale;
}
