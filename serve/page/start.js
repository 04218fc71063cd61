/** The way in: a file or a simulated night, and how far its scoring is. */

import { hideAlert } from "./dialogs.js";
import { find, make } from "./elements.js";
import { Stopped } from "./service.js";
import { percent } from "./words.js";

const STATES = ["sending", "reading", "looking", "finishing"];
const SENDING = 0.1; // of the bar; the rest is what the service tells
const POLL_MS = 700;

/** Not where the recording is at fault: it would be refused again. */
const isWorthAnother = ({ status }) => !status || status === 429 || status >= 500;

export class Start {
  /**
   * @param {import("./service.js").Service} service
   * @param {(scored: object, name: string) => void} open is called with a night that is scored
   * @param {(error: Error, again?: () => void) => void} tell
   */
  constructor(service, open, tell) {
    Object.assign(this, { service, open, tell, stop: null });
    find("file").addEventListener("change", ({ target }) => {
      if (target.files.length) this.send(target.files[0]);
      target.value = "";
    });
    find("simulated").addEventListener("submit", (event) => {
      event.preventDefault();
      this.simulate(Number(event.submitter?.value ?? 1), Number(find("seed").value));
    });
    find("cancel").addEventListener("click", () => this.stop?.abort());
    this.listenForDrops();
  }

  listenForDrops() {
    const drop = find("drop");
    const isFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      drop.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) drop.classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
      drop.classList.remove("over");
      if (!isFile(event)) return;
      event.preventDefault();
      this.send(event.dataTransfer.files[0]);
    });
  }

  /** Which adapter looks, where there are several. */
  get query() {
    const name = find("model").value;
    return name ? `&model=${encodeURIComponent(name)}` : "";
  }

  send(file) {
    return this.run(`v1/nights?wait=stream&keep=true${this.query}`, file, file.name);
  }

  simulate(hours, seed) {
    const name = `Simulated night ${seed}`;
    return this.run(`v1/nights/simulated?seed=${seed}&hours=${hours}&wait=stream${this.query}`, null, name);
  }

  async run(path, body, name) {
    if (this.stop) return;
    hideAlert();
    this.stop = new AbortController();
    this.show(name, body ? "sending" : "reading", 0);
    try {
      const scored = await this.service.stage(path, body, ({ state, progress }) => this.show(name, state, progress), this.stop.signal);
      this.open(scored, name);
    } catch (error) {
      if (!(error instanceof Stopped)) this.tell(error, isWorthAnother(error) ? () => this.run(path, body, name) : null);
    } finally {
      this.hide();
    }
  }

  /** A night that the service has or is about to have. */
  async resume(id, name) {
    for (;;) {
      const { state, progress, night, problem, expires_at: expiresAt } = await this.service.askJson(`v1/nights/${id}`);
      if (state === "done") return { scored: night, expiresAt };
      if (state === "failed") throw Object.assign(new Error(problem.detail), problem);
      this.show(name, state, progress);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  show(name, state, progress) {
    find("choose").hidden = true;
    find("progress").hidden = false;
    find("progress-name").textContent = name;
    const share = state === "sending" ? SENDING * progress : SENDING + (1 - SENDING) * progress;
    find("bar").style.transform = `scaleX(${share})`;
    find("track").setAttribute("aria-valuenow", Math.round(100 * share));
    find("track").setAttribute("aria-valuetext", `${state}, ${percent(share)}`);
    const now = STATES.indexOf(state);
    for (const item of find("steps").children) {
      const place = STATES.indexOf(item.dataset.state);
      item.className = place < now ? "past" : place === now ? "now" : "";
    }
  }

  hide() {
    this.stop = null;
    find("choose").hidden = false;
    find("progress").hidden = true;
  }

  /** What the service scores with, in a line; and a choice, where there is one. */
  showModel(card, names = []) {
    const kappa = card.metrics?.["validation.night.kappa"] ?? card.metrics?.["validation.kappa"];
    const told = [
      `Model ${card.adapter}, trained on ${card.trained_on.join(", ")}${typeof kappa === "number" ? `, kappa ${kappa.toFixed(2)} on held-out nights` : ""}.`,
      "A research tool, not a medical device.",
    ];
    find("facts").replaceChildren(...told.map((text) => make("span", { textContent: text })));
    find("models").hidden = names.length < 2;
    find("model").replaceChildren(...(names.length < 2 ? [] : names.map((name) => make("option", { value: name, textContent: name }))));
  }
}
