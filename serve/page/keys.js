/** The keys of the page: what each does, and in which words the help tells it. One table for both. */

import { find, make } from "./elements.js";

/** @typedef {{keys: string[], shown: string[], words: string, act: (event: KeyboardEvent) => void, always?: boolean}} Binding */

/**
 * @param {object} actions by name
 * @returns {[string, Binding[]][]} groups of bindings with their headings
 */
export function bindKeys(actions) {
  const stage = (keys, shown, name) => ({ keys, shown, words: name, act: () => actions.correct(name) });
  return [
    [
      "Look",
      [
        { keys: ["ArrowRight", "l"], shown: ["→"], words: "next epoch", act: ({ shiftKey }) => actions.step(shiftKey ? 10 : 1) },
        { keys: ["ArrowLeft", "h"], shown: ["←"], words: "epoch before; with Shift ten", act: ({ shiftKey }) => actions.step(shiftKey ? -10 : -1) },
        { keys: ["n"], shown: ["n"], words: "next doubtful epoch, not done yet", act: () => actions.doubt(1) },
        { keys: ["N", "p"], shown: ["p"], words: "doubtful epoch before", act: () => actions.doubt(-1) },
        { keys: ["]"], shown: ["]"], words: "next change of stage", act: () => actions.change(1) },
        { keys: ["["], shown: ["["], words: "change of stage before", act: () => actions.change(-1) },
        { keys: ["Home"], shown: ["Home"], words: "first epoch", act: () => actions.step(-Infinity) },
        { keys: ["End"], shown: ["End"], words: "last epoch", act: () => actions.step(Infinity) },
      ],
    ],
    [
      "Walk the list",
      [
        { keys: ["j", "ArrowDown"], shown: ["j", "↓"], words: "down the list, most doubtful first", act: () => actions.walk(1) },
        { keys: ["k", "ArrowUp"], shown: ["k", "↑"], words: "up the list", act: () => actions.walk(-1) },
        { keys: ["Enter"], shown: ["Enter"], words: "confirm the stage", act: () => actions.confirm() },
        { keys: ["a"], shown: ["a"], words: "go on by itself after a stage, or not", act: () => actions.advance() },
      ],
    ],
    [
      "Correct",
      [
        stage(["w", "W", "0"], ["w", "0"], "W"),
        stage(["1"], ["1"], "N1"),
        stage(["2"], ["2"], "N2"),
        stage(["3"], ["3"], "N3"),
        stage(["r", "R", "5"], ["r", "5"], "R"),
        { keys: ["x", "Backspace", "Delete"], shown: ["x"], words: "take the correction back", act: () => actions.correct(null) },
        { keys: ["u", "ctrl+z"], shown: ["u", "Ctrl Z"], words: "undo", act: () => actions.undo() },
        { keys: ["y", "ctrl+y", "ctrl+Z"], shown: ["y", "Ctrl Y"], words: "redo", act: () => actions.redo() },
      ],
    ],
    [
      "Page",
      [
        { keys: ["m"], shown: ["m"], words: "heat over the picture, or not", act: () => actions.heat() },
        { keys: ["e"], shown: ["e"], words: "export", act: () => actions.export() },
        { keys: ["s", "ctrl+s"], shown: ["s"], words: "save as a new hypnogram (EDF+)", act: () => actions.save() },
        { keys: ["d"], shown: ["d"], words: "dark or light", act: () => actions.theme(), always: true },
        { keys: ["Escape"], shown: ["Esc"], words: "close a message", act: () => actions.close(), always: true },
        { keys: ["?"], shown: ["?"], words: "these keys", act: () => actions.help(), always: true },
      ],
    ],
  ];
}

/** Listen for the keys; those of a night only while there is one. */
export function listenForKeys(groups, isNightShown) {
  const table = new Map(groups.flatMap(([, bindings]) => bindings.flatMap((one) => one.keys.map((key) => [key, one]))));
  document.addEventListener("keydown", (event) => {
    const binding = table.get(nameKey(event));
    if (!binding || !isForPage(event)) return;
    if (!isNightShown() && !binding.always) return;
    event.preventDefault();
    binding.act(event);
  });
}

function nameKey({ key, ctrlKey, metaKey, altKey }) {
  if (altKey) return "";
  return ctrlKey || metaKey ? `ctrl+${key}` : key;
}

/** Not what is typed into a field, not what a button or a dialog is told. */
function isForPage({ target, key }) {
  if (document.querySelector("dialog[open]")) return false;
  if (target.closest("input, textarea, select")) return false;
  return !(key === "Enter" && target.closest("button, a, summary"));
}

export function showKeys(groups) {
  const sections = groups.map(([title, bindings]) =>
    make("section", {}, make("h3", { textContent: title }), make("dl", {}, ...bindings.map(makeLine))),
  );
  find("keys").replaceChildren(...sections);
}

function makeLine({ shown, words }) {
  const keys = shown.map((key) => make("kbd", { textContent: key }));
  return make("div", {}, make("dt", {}, ...keys), make("dd", { textContent: words }));
}
