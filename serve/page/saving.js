/** Corrections to the service, a moment after the last of them. */

import { find, rest } from "./elements.js";
import { count } from "./words.js";

const WAIT_MS = 500;
const SCORER_PLACE = "somnolens-scorer";
const NOBODY = "corrected";

export class Saving {
  /**
   * @param {import("./service.js").Service} service
   * @param {() => void} saved is called after each time
   * @param {(error: Error, again: () => void) => void} tell
   */
  constructor(service, saved, tell) {
    Object.assign(this, { service, saved, tell, night: null, isOpen: false, running: null });
    this.later = rest(WAIT_MS, () => this.save().catch((error) => this.refuse(error)));
    const scorer = find("scorer");
    scorer.value = sessionStorage.getItem(SCORER_PLACE) ?? "";
    scorer.addEventListener("change", () => {
      sessionStorage.setItem(SCORER_PLACE, scorer.value.trim());
      if (this.night?.corrections.size) this.note();
    });
    window.addEventListener("online", () => this.isOpen && this.later());
    window.addEventListener("beforeunload", (event) => {
      if (this.isOpen) event.preventDefault();
    });
  }

  show(night) {
    this.night = night;
    this.isOpen = false;
    this.tellState();
  }

  /** Something has changed. */
  note() {
    this.isOpen = true;
    this.tellState();
    this.later();
  }

  /** Wait until everything is saved. */
  async settle() {
    this.later.cancel();
    await this.running?.catch(() => {});
    if (this.isOpen) await this.save();
  }

  async save() {
    await this.running?.catch(() => {}); // whoever waited for that one was told
    this.running = this.put();
    try {
      await this.running;
    } finally {
      this.running = null;
    }
  }

  async put() {
    const { night } = this;
    this.isOpen = false;
    const body = JSON.stringify({ scorer: find("scorer").value.trim() || NOBODY, stages: Object.fromEntries(night.corrections) });
    try {
      await this.service.ask(`v1/nights/${night.id}/corrections`, { method: "PUT", body, type: "application/json" });
    } catch (error) {
      this.isOpen = true;
      throw error;
    } finally {
      this.tellState();
    }
    if (night === this.night) this.saved();
  }

  refuse(error) {
    this.tell(error, () => this.later());
  }

  tellState() {
    const { night } = this;
    const n = night.nChanged;
    const told = n ? `${count(n, "correction")}` : night.corrections.size ? `${count(night.corrections.size, "epoch")} confirmed` : "";
    find("saved").textContent = this.isOpen ? `${told}${told ? ", " : ""}not saved yet` : told && `${told}, saved`;
    find("undo").disabled = !night.past.length;
    find("redo").disabled = !night.future.length;
  }
}
