/** The list of epochs to look at, the most doubtful first. */

import { chip, find, make } from "./elements.js";
import { count, percent } from "./words.js";

export class ReviewList {
  /** @param {(epoch: number) => void} pick */
  constructor(pick) {
    this.list = find("list");
    this.items = new Map();
    this.night = null;
    this.current = null;
    new ResizeObserver(() => this.current && this.scrollTo(this.current)).observe(this.list);
    this.list.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) pick(Number(button.dataset.epoch));
    });
  }

  show(night) {
    this.night = night;
    this.current = null;
    this.items = new Map(night.review.map((one) => [one.index, makeItem(night, one)]));
    this.list.replaceChildren(...[...this.items.values()].map((button) => make("li", {}, button)));
    if (!night.review.length) this.list.replaceChildren(makeEmpty(night));
    this.count();
    this.mark();
  }

  /** Show which one is looked at. */
  mark() {
    const button = this.items.get(this.night.cursor) ?? null;
    if (this.current) {
      this.current.removeAttribute("aria-current");
      this.current.tabIndex = -1;
    }
    this.current = button;
    if (!button) {
      const first = this.items.values().next().value;
      if (first) first.tabIndex = 0;
      return;
    }
    button.setAttribute("aria-current", "true");
    button.tabIndex = 0;
    if (button.closest("ol").contains(document.activeElement)) button.focus({ preventScroll: true });
    this.scrollTo(button);
  }

  /** Within the list alone: the page stays where it is. */
  scrollTo(button) {
    const { list } = this;
    const [inside, whole] = [button.getBoundingClientRect(), list.getBoundingClientRect()];
    if (inside.top < whole.top) list.scrollTop -= whole.top - inside.top + 8;
    else if (inside.bottom > whole.bottom) list.scrollTop += inside.bottom - whole.bottom + 8;
  }

  /** After a correction. */
  update(epoch) {
    const button = this.items.get(epoch);
    if (button) dress(button, this.night, epoch);
    this.count();
  }

  updateAll() {
    for (const epoch of this.items.keys()) this.update(epoch);
    this.count();
  }

  count() {
    const { night } = this;
    const [done, all] = [night.nChecked, night.review.length];
    find("done").textContent = all ? `${done} of ${count(all, "epoch")} done` : "";
    find("meter").style.transform = `scaleX(${all ? done / all : 0})`;
  }
}

/** Whole nights are measured when somebody first asks, which takes a while. */
function makeEmpty({ isReviewed }) {
  const [text, more] = isReviewed ? ["No epoch is in doubt.", ""] : ["Measuring the night", "looking"];
  return make("li", { className: `empty ${more}`, textContent: text });
}

function makeItem(night, { index, confidence, reasons }) {
  const button = make(
    "button",
    { className: "item", tabIndex: -1, data: { epoch: index } },
    make("span", { className: "stage-place" }),
    make("span", { className: "when", textContent: night.time(index) }),
    make("span", { className: "sure", textContent: percent(confidence) }),
    make("span", { className: "reason", textContent: reasons.join(" "), title: reasons.join(" ") }),
  );
  dress(button, night, index);
  return button;
}

function dress(button, night, epoch) {
  button.querySelector(".stage-place").replaceChildren(chip(night.stage(epoch)));
  button.classList.toggle("checked", night.isChecked(epoch));
  const how = night.isChanged(epoch) ? `corrected, was ${night.stages[epoch]}` : night.isChecked(epoch) ? "confirmed" : "";
  button.querySelector(".sure").textContent = how ? (night.isChanged(epoch) ? `was ${night.stages[epoch]}` : "✓") : percent(night.confidence(epoch));
}
