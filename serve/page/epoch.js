/** One epoch: the picture the model saw, the heat over it, five probabilities, and the reasons for and against. */

import { chip, find, fitCanvas, make, readColours, rest } from "./elements.js";
import { Stopped } from "./service.js";
import { DOUBTFUL, STAGES, STAGE_WORDS, UNSCORED, count, percent, sentence } from "./words.js";

const PICTURE_WAIT_MS = 40;
const REASONS_WAIT_MS = 200;
const HEAT_WAIT_MS = 700;
const HEAT_PLACE = "somnolens-heat";
const MOST_KEPT = 240;
const STRONGEST = 0.995;
const SIGN_FROM = 0.45;

/** Values by name, of which the oldest go when there are too many. */
class Shelf {
  constructor(most, drop = () => {}) {
    Object.assign(this, { most, drop, held: new Map() });
  }

  get(name) {
    return this.held.get(name);
  }

  put(name, value) {
    this.held.set(name, value);
    if (this.held.size <= this.most) return;
    const [oldest, gone] = this.held.entries().next().value;
    this.held.delete(oldest);
    this.drop(gone);
  }

  clear() {
    for (const value of this.held.values()) this.drop(value);
    this.held.clear();
  }
}

export class EpochPanel {
  /**
   * @param {import("./service.js").Service} service
   * @param {(stage: string) => void} choose is called with the stage that a person gives
   * @param {(error: Error) => void} tell is called with what went wrong
   */
  constructor(service, choose, tell) {
    Object.assign(this, { service, tell, night: null, layout: null, shown: -1, explanation: null, isHeating: false });
    this.heatStage = sessionStorage.getItem(HEAT_PLACE) ?? "own";
    this.pictures = new Shelf(MOST_KEPT, (url) => URL.revokeObjectURL(url));
    this.explanations = new Shelf(MOST_KEPT);
    this.heats = new Shelf(MOST_KEPT);
    this.rows = new Map(STAGES.map((stage) => [stage, makeRow(stage, choose)]));
    find("stages").append(...[...this.rows.values()].map(({ button }) => button));
    find("heat-stage").append(...STAGES.map((stage) => make("option", { value: stage, textContent: stage })));
    find("heat-stage").addEventListener("change", ({ target }) => this.chooseHeat(target.value));
    this.askPicture = rest(PICTURE_WAIT_MS, () => this.loadPicture());
    this.askReasons = rest(REASONS_WAIT_MS, () => this.loadReasons());
    this.askHeat = rest(HEAT_WAIT_MS, () => this.loadHeat());
    this.size = { width: 0, height: 0 };
    new ResizeObserver(([{ contentRect }]) => {
      this.size = contentRect; // told here, so that a move of the cursor measures nothing
      this.drawHeat();
    }).observe(find("frame"));
  }

  /** @param {{bands: [string, number, number][], height: number, width: number, nShown: number}} layout of a picture */
  show(night, layout) {
    Object.assign(this, { night, layout, shown: -1, explanation: null });
    this.pictures.clear();
    this.explanations.clear();
    this.heats.clear();
    find("sheet").style.setProperty("--aspect", layout.width / layout.height);
    find("frame").style.aspectRatio = `${layout.width} / ${layout.height}`;
    this.nameBands();
    this.refresh();
  }

  /** Another epoch, or the same with another stage. All that is known is shown at once; the rest is asked for. */
  refresh() {
    const { night } = this;
    const epoch = night.cursor;
    find("clock").textContent = night.time(epoch);
    find("number").textContent = `epoch ${epoch + 1} of ${night.length}`;
    this.fillRows();
    this.fillMarks();
    if (epoch === this.shown) return;
    this.shown = epoch;
    this.stop?.abort();
    this.stop = new AbortController();
    this.showPicture(this.pictures.get(epoch));
    this.showReasons(this.explanations.get(this.wanted()));
    this.askPicture();
    this.askReasons();
    this.askHeat();
  }

  fillRows() {
    const { night } = this;
    const epoch = night.cursor;
    const standing = night.stage(epoch);
    for (const [place, stage] of STAGES.entries()) {
      const { button, bar, share } = this.rows.get(stage);
      const probability = night.probabilities[epoch][place];
      bar.style.transform = `scaleX(${probability})`;
      share.textContent = percent(probability);
      button.setAttribute("aria-pressed", stage === standing);
      const said = `${STAGE_WORDS[stage]}, ${percent(probability)}${stage === standing ? ", the stage that stands" : ""}`;
      button.setAttribute("aria-label", said);
    }
    find("stage-note").textContent = night.isChanged(epoch)
      ? `corrected, the model said ${night.stages[epoch] === UNSCORED ? "nothing" : night.stages[epoch]}`
      : night.isChecked(epoch)
        ? "confirmed"
        : "choose another to correct";
  }

  fillMarks() {
    const { night } = this;
    const epoch = night.cursor;
    const rank = night.ranks.get(epoch);
    const marks = [];
    if (rank !== undefined) marks.push(make("span", { className: "mark", textContent: `no. ${rank + 1} to look at` }));
    else if (night.isDoubtful(epoch)) marks.push(make("span", { className: "mark", textContent: `below ${percent(DOUBTFUL)}` }));
    const quality = night.scored.quality[epoch];
    if (quality && quality !== "good") marks.push(make("span", { className: "mark", textContent: quality }));
    find("marks").replaceChildren(...marks);
  }

  path(epoch, what) {
    return `v1/nights/${this.night.id}/epochs/${epoch}/${what}`;
  }

  async loadPicture() {
    const epoch = this.night.cursor;
    await this.keepPicture(epoch, this.stop.signal);
    if (this.shown === epoch) this.showPicture(this.pictures.get(epoch));
    for (const next of [epoch + 1, epoch - 1, this.night.walk(1), this.night.nextDoubt()]) {
      if (next !== null && next >= 0 && next < this.night.length) await this.keepPicture(next, this.stop.signal);
    }
  }

  async keepPicture(epoch, signal) {
    if (this.pictures.get(epoch) || signal.aborted) return;
    try {
      const blob = await this.service.askBlob(this.path(epoch, "picture"), { signal });
      this.pictures.put(epoch, URL.createObjectURL(blob));
    } catch (error) {
      this.refuse(error, "picture");
    }
  }

  showPicture(url) {
    const picture = find("picture");
    picture.hidden = !url;
    if (!url) return this.wait("Drawing the picture");
    this.wait("");
    picture.src = url;
    const { bands } = this.layout;
    picture.alt = `Thirty seconds from ${this.night.time(this.shown)} as the model saw them. From top to bottom: ${bands.map(([name]) => name).join(", ")}.`;
    return undefined;
  }

  wait(text) {
    find("waiting").textContent = text;
  }

  /** The explanation that is wanted now, as a name. */
  wanted() {
    const { night } = this;
    const own = night.stages[night.cursor] === UNSCORED ? "W" : night.stages[night.cursor];
    const stage = STAGES.includes(this.heatStage) ? this.heatStage : own;
    return `${night.cursor} ${stage}`;
  }

  async loadReasons() {
    const wanted = this.wanted();
    if (this.explanations.get(wanted)) return;
    try {
      this.explanations.put(wanted, await this.explain(wanted, false, this.stop.signal));
    } catch (error) {
      this.refuse(error, "reasons");
    }
    if (this.wanted() === wanted && this.explanations.get(wanted)) this.showReasons(this.explanations.get(wanted));
  }

  explain(wanted, heat, signal) {
    const [epoch, stage] = wanted.split(" ");
    return this.service.askJson(`${this.path(epoch, "explanation")}?stage=${stage}&heat=${heat}`, { signal });
  }

  /** Heat costs the service a pass for each cell: it is asked for one epoch at a time, once somebody stays there. */
  async loadHeat() {
    const wanted = this.wanted();
    if (this.isHeating || this.heatStage === "" || this.heats.get(wanted)) return;
    const { night } = this;
    this.isHeating = true;
    this.drawHeat();
    try {
      const { cells } = await this.explain(wanted, true);
      if (night === this.night) this.heats.put(wanted, cells);
    } catch (error) {
      this.refuse(error, "heat");
    }
    this.isHeating = false;
    this.drawHeat();
    if (this.wanted() !== wanted) this.askHeat();
  }

  /** Ask again for what did not come. */
  retry() {
    this.stop = new AbortController();
    this.showPicture(this.pictures.get(this.shown));
    this.loadPicture();
    this.loadReasons();
    this.loadHeat();
  }

  refuse(error, what) {
    if (error instanceof Stopped) return;
    if (what === "picture") this.wait(error.message);
    else if (what === "reasons") this.showFailure(error.message);
    this.tell(error);
  }

  showFailure(text) {
    find("why").replaceChildren(make("p", { className: "small", textContent: text }));
  }

  showReasons(explanation) {
    this.explanation = explanation ?? null;
    find("heat-stage").value = this.heatStage === "" ? "" : this.wanted().split(" ")[1];
    this.drawHeat();
    if (!explanation) {
      find("why").replaceChildren(make("p", { className: "looking", textContent: "Measuring what speaks for the stage" }));
      return;
    }
    const { stage, evidence_for: speaksFor, evidence_against: against } = explanation;
    const verdict = explanation.disagrees
      ? make("p", { className: "disagrees", textContent: `The measured signal speaks against ${stage}: look at this one.` })
      : null;
    const nothing = !speaksFor.length && !against.length;
    find("why").replaceChildren(
      ...[
        verdict,
        list(`For ${stage}`, "+", speaksFor, "for"),
        list(`Against ${stage}`, "−", against, "against"),
        nothing ? make("p", { className: "small", textContent: `Nothing was found that speaks for ${stage} or against it.` }) : null,
        others(explanation),
      ].filter(Boolean),
    );
  }

  chooseHeat(stage) {
    this.heatStage = stage;
    sessionStorage.setItem(HEAT_PLACE, stage);
    this.showReasons(this.explanations.get(this.wanted()));
    if (!this.explanation) this.loadReasons();
    this.loadHeat();
  }

  toggleHeat() {
    this.chooseHeat(this.heatStage === "" ? "own" : "");
    return this.heatStage !== "";
  }

  /** Coloured paper under the ink, a cell for each derivation and second; the strongest have a sign as well. */
  drawHeat() {
    const canvas = find("heat");
    const { width, height } = this.size;
    const cells = this.heatStage === "" || !this.night ? null : this.heats.get(this.wanted());
    canvas.hidden = !cells || !width;
    find("legend").replaceChildren(...this.tellLegend(cells));
    if (canvas.hidden) return;
    const context = fitCanvas(canvas, width, height);
    const { values, derivations, seconds } = cells;
    const strongest = quantile(values.flat().map(Math.abs), STRONGEST) || 1;
    const colour = readColours();
    for (const [row, name] of derivations.entries()) {
      const band = this.layout.bands.find(([other]) => other === name);
      if (band) this.drawBand(context, colour, band, values[row], strongest, { width, height, seconds });
    }
  }

  tellLegend(cells) {
    if (cells) return legend(this.wanted().split(" ")[1]);
    const text = this.isHeating && this.heatStage !== "" ? "measuring the heat" : "";
    return text ? [make("span", { className: "looking", textContent: text })] : [];
  }

  drawBand(context, colour, [, top, tall], values, strongest, { width, height, seconds }) {
    const { layout } = this;
    const each = width / layout.nShown / seconds;
    const left = width * (Math.floor(layout.nShown / 2) / layout.nShown);
    const [y, high] = [(top / layout.height) * height, (tall / layout.height) * height];
    for (const [second, value] of values.entries()) {
      const share = Math.max(-1, Math.min(1, value / strongest));
      context.globalAlpha = 0.85 * Math.abs(share);
      context.fillStyle = colour(share > 0 ? "speaks-for" : "speaks-against");
      context.fillRect(left + second * each, y, each, high);
      if (Math.abs(share) < SIGN_FROM) continue;
      context.globalAlpha = 1;
      context.fillStyle = "#1f2430";
      context.font = "600 11px sans-serif";
      context.textAlign = "center";
      context.fillText(share > 0 ? "+" : "−", left + (second + 0.5) * each, y + 10);
    }
  }

  nameBands() {
    const { layout } = this;
    const names = layout.bands.map(([name, top, tall]) => {
      const label = make("span", { textContent: name });
      label.style.top = `${(100 * (top + tall / 2)) / layout.height}%`;
      return label;
    });
    find("names").replaceChildren(...names);
    const ticks = [0, 5, 10, 15, 20, 25, 30].map((second) => make("li", { textContent: second ? `${second} s` : "0" }));
    find("seconds").replaceChildren(...ticks);
  }
}

function makeRow(stage, choose) {
  const bar = make("span", { className: "fill", data: { stage } });
  const share = make("span", { className: "share" });
  const key = make("kbd", { textContent: { W: "w", N1: "1", N2: "2", N3: "3", R: "r" }[stage] });
  const button = make("button", { className: "stage", data: { stage } }, chip(stage), make("span", { className: "bar" }, bar), share, key);
  button.addEventListener("click", () => choose(stage));
  return { button, bar, share };
}

function list(title, sign, sentences, kind) {
  if (!sentences.length) return null;
  const items = sentences.map((text) => make("li", { textContent: sentence(text.replace(/^(For|Against) \w+: /, "")) }));
  return make("section", { className: `evidence ${kind}`, data: { sign } }, make("h3", { textContent: title }), make("ul", {}, ...items));
}

/** What the rules say of the other stages, folded away. */
function others({ stage, rules }) {
  const said = rules.filter((rule) => rule.stage !== undefined && rule.stage !== stage);
  if (!said.length) return null;
  const items = said.map(({ sentence: text, name }) => make("li", { textContent: text.includes(`[${name}]`) ? text : `${text} [${name}]` }));
  const title = `${count(said.length, "rule")} on other stages`;
  return make("details", {}, make("summary", { textContent: title }), make("ul", {}, ...items));
}

function legend(stage) {
  const key = (kind, text) => [make("i", { className: kind }), document.createTextNode(text)];
  return [...key("for", `+ for ${stage}`), ...key("against", "− against")];
}

function quantile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.round(share * (sorted.length - 1))];
}
