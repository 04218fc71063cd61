/** Elements of the page, made and found without a line of markup in text. */

export const find = (id) => document.getElementById(id);

/** An element with properties, attributes and children; null children are left out. */
export function make(name, options = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "data") Object.assign(element.dataset, value);
    else if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A stage as a small sign: its letters, and its colour as a bar below them. */
export const chip = (stage) => make("span", { className: "chip", textContent: stage === "UNSCORED" ? "?" : stage, data: { stage } });

/** Colours of the page as they are now, by name. */
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** Fit a canvas to its place on the screen; its context, in CSS pixels, with width and height. */
export function fitCanvas(canvas, width, height) {
  const scale = Math.max(1, window.devicePixelRatio || 1);
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

let saying = 0;

/** Say something to those who listen to the page; the last of several is said. */
export function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => {
    find("said").textContent = text;
  }, 150);
}

/** Call a function once, so long after the last time it was asked for. */
export function rest(milliseconds, call) {
  let timer = 0;
  const later = (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
