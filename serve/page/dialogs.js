/** Dialogs and messages: the key, the notes of a night, what went wrong. */

import { find, make } from "./elements.js";
import { sentence } from "./words.js";

/** Ask a person for a key; null where they give none. */
export function askKey(problem) {
  const dialog = find("key");
  const input = find("key-input");
  find("key-why").textContent = problem.detail;
  input.value = "";
  return new Promise((resolve) => {
    let given = null;
    find("key-form").onsubmit = (event) => {
      event.preventDefault();
      given = input.value.trim();
      dialog.close();
    };
    find("key-cancel").onclick = () => dialog.close();
    dialog.onclose = () => {
      input.value = "";
      resolve(given || null);
    };
    dialog.showModal();
    input.focus();
  });
}

const unfinished = new Set();

/** Show what went wrong; with `again`, offer to try once more, with all else that failed meanwhile. */
export function showAlert(error, again = null) {
  find("alert-title").textContent = error.title ?? "";
  find("alert-text").textContent = error.message;
  if (again) unfinished.add(again);
  const button = find("alert-again");
  button.hidden = !unfinished.size;
  button.onclick = () => {
    const calls = [...unfinished];
    hideAlert();
    for (const call of calls) call();
  };
  find("alert-close").onclick = hideAlert;
  find("alert").hidden = false;
}

export function hideAlert() {
  unfinished.clear();
  find("alert").hidden = true;
}

/** What a person should read with the result, and what made it. */
export function fillNotes(night, expiresAt) {
  const { notes, derivations, made_by: made } = night.scored;
  const texts = notes.length ? notes : ["None: everything was there."];
  find("note-list").replaceChildren(...texts.map((text) => make("li", { textContent: sentence(text) })));
  find("derivations").replaceChildren(...Object.entries(derivations).map(([name, label]) => pair(name, label ?? "missing")));
  const facts = [
    ["Base model", made.base_model?.name],
    ["Trained on", made.trained_on?.join(", ")],
    ["Pictures", made.render_hash],
    ["Neighbours", made.sequence_step ? "weighed in" : "not weighed in"],
    ["Code", [made.code?.version, made.code?.revision?.slice(0, 12)].filter(Boolean).join(", ")],
  ];
  find("made-by").replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => pair(name, value)));
  find("n-notes").textContent = notes.length || "";
  find("kept").textContent = expiresAt ? `The service keeps this night until ${new Date(expiresAt).toLocaleString("en-GB")}.` : "";
}

function pair(name, value) {
  return make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }));
}
