/** Files of a night, for other programs and for paper. */

import { find, make } from "./elements.js";
import { count } from "./words.js";

const FORMATS = [
  { name: "edf", title: "EDF+", words: "annotations for EDFbrowser and others", path: "hypnogram?format=edf", end: "hypnogram.edf" },
  { name: "csv", title: "CSV", words: "a line for each epoch, with probabilities", path: "hypnogram?format=csv", end: "hypnogram.csv" },
  { name: "json", title: "JSON", words: "for programs", path: "hypnogram?format=json", end: "hypnogram.json" },
  { name: "bids", title: "BIDS", words: "tables with their sidecars", path: "hypnogram?format=bids", end: "bids.zip" },
  { name: "pdf", title: "PDF", words: "the morning report, on paper", path: "report?format=pdf", end: "report.pdf" },
  { name: "html", title: "HTML", words: "the morning report, as one page", path: "report?format=html", end: "report.html" },
];

export class Exports {
  /**
   * @param {import("./service.js").Service} service
   * @param {() => Promise<void>} settle waits until all corrections are saved
   * @param {(error: Error) => void} tell
   */
  constructor(service, settle, tell) {
    Object.assign(this, { service, settle, tell, night: null });
    find("formats").append(...FORMATS.map((format) => this.makeButton(format)));
  }

  makeButton(format) {
    const words = make("small", { textContent: format.words });
    const button = make("button", { type: "button", className: "format", data: { format: format.name } }, make("b", { textContent: format.title }), words);
    button.addEventListener("click", () => this.fetch(format.name, button));
    return button;
  }

  show(night) {
    this.night = night;
  }

  open() {
    const { nChanged, length } = this.night;
    find("export-words").textContent = nChanged
      ? `${count(length, "epoch")}, ${nChanged} of them corrected.`
      : `${count(length, "epoch")} as the model staged them.`;
    find("export").showModal();
  }

  /** Fetch a file and give it to the browser to keep. */
  async fetch(name, button = null) {
    const format = FORMATS.find((one) => one.name === name);
    button?.setAttribute("aria-busy", "true");
    try {
      await this.settle();
      keep(await this.service.askBlob(`v1/nights/${this.night.id}/${format.path}`), `${this.stem()}_${format.end}`);
      find("export").close();
    } catch (error) {
      find("export").close();
      this.tell(error);
    } finally {
      button?.removeAttribute("aria-busy");
    }
  }

  /** The name of the file that was chosen, without its ending; it has never left this machine. */
  stem() {
    return this.night.name.replace(/\.(edf|bdf|rec)$/i, "").replace(/[^\w.-]+/g, "-");
  }
}

function keep(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
