/** The page: one night at a time, and everything that happens to it. */

import { NightChart, describeEpoch } from "./charts.js";
import { askKey, fillNotes, hideAlert, showAlert } from "./dialogs.js";
import { find, make, rest, say } from "./elements.js";
import { EpochPanel } from "./epoch.js";
import { Exports } from "./exports.js";
import { bindKeys, listenForKeys, showKeys } from "./keys.js";
import { Night } from "./night.js";
import { ReviewList } from "./review.js";
import { Saving } from "./saving.js";
import { Service, Stopped } from "./service.js";
import { Spectrum } from "./spectrum.js";
import { Start } from "./start.js";
import { showStatistics } from "./statistics.js";
import { Strip } from "./strip.js";
import { STAGES, UNSCORED, count } from "./words.js";

const THEME_PLACE = "somnolens-theme";
const PLAIN_LAYOUT = { bands: [], width: 448, height: 224, nShown: 1 };

const service = new Service(askKey);
const saving = new Saving(service, () => load("statistics", showStatistics), tell);
const exports = new Exports(service, () => saving.settle(), tell);
const chart = new NightChart(go);
const strip = new Strip(go);
const review = new ReviewList(go);
const panel = new EpochPanel(service, correct, tellGrave);
const start = new Start(service, (scored, name) => open(scored, name).catch(tell), tell);

let night = null;
let cards = [];
let isWalking = false;
let goesOn = false;

/** Show what went wrong; of what was stopped on purpose nothing is said. */
function tell(error, again = null) {
  if (!(error instanceof Stopped)) showAlert(error, again);
}

/** What concerns one picture stands beside it; what concerns all of them is told to everybody. */
function tellGrave(error) {
  if (error.type === "gone" || [401, 404].includes(error.status)) tell(error, () => panel.retry());
}

/* A night. */

async function open(scored, name, { expiresAt = null, epoch = null } = {}) {
  night = new Night(scored, name);
  night.moveTo(epoch ?? 0);
  remember(name);
  document.body.dataset.view = "work";
  document.title = `${name}, somnolens`;
  find("title").textContent = name;
  find("span").textContent = tellSpan(night);
  find("demo").hidden = !isDemonstration(scored);
  chart.show(night, null);
  strip.show(night);
  chart.place(strip.around);
  panel.show(night, findLayout(scored));
  saving.show(night);
  exports.show(night);
  fillNotes(night, expiresAt);
  review.show(night);
  listen(night);
  if (epoch === null) chart.box.focus({ preventScroll: true });
  document.fonts.ready.then(() => shownAgain(night));
  await loadRest(night, epoch === null);
}

/** Once the letters have come: they were drawn and measured with others. */
function shownAgain(shown) {
  if (shown !== night) return;
  redraw();
  review.mark();
}

function listen(shown) {
  shown.addEventListener("cursor", () => {
    strip.draw();
    chart.place(strip.around);
    panel.refresh();
    review.mark();
    keepPlace();
    say(describeEpoch(shown, shown.cursor));
  });
  shown.addEventListener("stages", ({ detail }) => {
    if (detail.isRestored) review.updateAll();
    else {
      review.update(detail.epoch);
      saving.note();
    }
    chart.draw();
    strip.draw();
    panel.refresh();
  });
  shown.addEventListener("review", () => {
    review.show(shown);
    chart.draw();
    strip.draw();
    panel.refresh();
  });
}

/** What comes after the stages, each as it arrives; one that fails does not hold up the others. */
async function loadRest(shown, beginsAtDoubt) {
  await Promise.all([
    load("corrections", ({ stages }) => shown.restore(stages)),
    load("review", ({ epochs }) => shown.setReview(epochs)),
    load("statistics", showStatistics),
    load("spectrogram", (measured) => chart.show(shown, new Spectrum(measured))),
    load("", ({ expires_at: expiresAt }) => fillNotes(shown, expiresAt)),
  ]);
  saving.tellState();
  if (beginsAtDoubt && shown.cursor === 0 && shown.review.length) go(shown.walk(0));
}

async function load(what, use) {
  const asked = night;
  try {
    const answer = await service.askJson(`v1/nights/${asked.id}${what && "/"}${what}`);
    if (asked === night) use(answer);
  } catch (error) {
    if (what !== "spectrogram" || error.type === "gone") tell(error, () => load(what, use));
  }
}

/** Where each derivation lies in a picture: told by the card of the adapter that drew it so. */
function findLayout(scored) {
  const card = cards.find((one) => one.render_hash === scored.made_by.render_hash);
  if (!card?.bands_px) return PLAIN_LAYOUT;
  const bands = card.derivations.map((name, row) => [name, ...card.bands_px[row]]);
  return { bands, width: card.picture_px.width, height: card.picture_px.height, nShown: card.epochs_shown };
}

function tellSpan(shown) {
  const { length, scored } = shown;
  const hours = (length * scored.epoch_s) / 3600;
  const from = scored.start_time ? `${shown.time(0, false)} to ${shown.time(length, false)}, ` : "";
  return `${from}${hours.toFixed(1)} h, ${count(length, "epoch")} of 30 s`;
}

const isDemonstration = ({ made_by: { trained_on: cohorts } }) => cohorts?.length > 0 && cohorts.every((one) => one === "simulated");

/* Where one is, in the address: the tab can be loaded again. */

const keepPlace = rest(250, () => {
  history.replaceState(null, "", `#night=${night.id}&epoch=${night.cursor + 1}`);
});

function remember(name) {
  sessionStorage.setItem(`somnolens-name-${night.id}`, name);
  history.replaceState(null, "", `#night=${night.id}`);
}

async function resume() {
  const place = new URLSearchParams(location.hash.slice(1));
  const id = place.get("night");
  if (!id || !/^[\w-]+$/.test(id)) return;
  const name = sessionStorage.getItem(`somnolens-name-${id}`) ?? "Night";
  try {
    const { scored, expiresAt } = await start.resume(id, name);
    const epoch = place.has("epoch") ? Math.trunc(Number(place.get("epoch")) || 1) - 1 : null;
    await open(scored, name, { expiresAt, epoch });
  } catch (error) {
    history.replaceState(null, "", location.pathname);
    tell(error);
  } finally {
    start.hide();
  }
}

/* What a person does. */

function go(epoch) {
  if (epoch === null || !Number.isFinite(epoch)) return;
  isWalking = false;
  night.moveTo(epoch);
}

function walk(step) {
  const epoch = night.walk(step);
  if (epoch === null) say("No epoch is in doubt.");
  else {
    go(epoch);
    isWalking = true;
  }
}

function doubt(step) {
  const epoch = night.nextDoubt(step);
  if (epoch === null) say(step > 0 ? "No doubtful epoch after this one." : "No doubtful epoch before this one.");
  else go(epoch);
}

function step(by) {
  const last = night.length - 1;
  go(Math.max(0, Math.min(last, night.cursor + by)));
}

function correct(stage) {
  const epoch = night.cursor;
  night.correct(epoch, stage);
  say(stage ? `${stage}. ${saidBefore(epoch)}` : "The model's stage again.");
  if (!goesOn || !stage) return;
  if (isWalking) walk(1);
  else step(1);
}

const saidBefore = (epoch) => (night.isChanged(epoch) ? `The model said ${night.stages[epoch]}.` : "As the model said.");

function confirm() {
  const stage = night.stage(night.cursor);
  if (stage !== UNSCORED) correct(stage);
}

function travel(back) {
  const step = back ? night.undo() : night.redo();
  say(step ? `${back ? "Undone" : "Done again"}: ${describeEpoch(night, step.epoch)}` : `Nothing to ${back ? "undo" : "do again"}.`);
}

function advance() {
  goesOn = !goesOn;
  document.body.dataset.goesOn = goesOn;
  say(goesOn ? "After a stage the next epoch comes by itself." : "After a stage the epoch stays.");
}

function toggleTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem(THEME_PLACE, root.dataset.theme);
  } catch (error) {
    if (error.name !== "SecurityError") throw error; // then it holds for this page alone
  }
  redraw();
}

function redraw() {
  if (!night) return;
  chart.draw();
  strip.dress();
  strip.draw();
  panel.drawHeat();
}

async function remove() {
  find("notes").close();
  try {
    await service.ask(`v1/nights/${night.id}`, { method: "DELETE" });
    location.assign(location.pathname);
  } catch (error) {
    tell(error);
  }
}

/* Buttons and keys. */

const actions = {
  step,
  doubt,
  walk,
  correct,
  confirm,
  advance,
  change: (by) => go(night.nextChange(by)),
  undo: () => travel(true),
  redo: () => travel(false),
  heat: () => say(panel.toggleHeat() ? "Heat shown." : "Heat hidden."),
  export: () => exports.open(),
  save: () => exports.fetch("edf"),
  theme: toggleTheme,
  help: () => find("help").showModal(),
  close: hideAlert,
};

function wire() {
  const groups = bindKeys(actions);
  showKeys(groups);
  listenForKeys(groups, () => night !== null);
  const clicks = {
    "help-button": actions.help,
    "export-button": actions.export,
    "notes-button": () => find("notes").showModal(),
    demo: () => find("notes").showModal(),
    theme: toggleTheme,
    undo: actions.undo,
    redo: actions.redo,
    back: () => step(-1),
    on: () => step(1),
    delete: remove,
  };
  for (const [id, act] of Object.entries(clicks)) find(id).addEventListener("click", () => act());
  wireThumb();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

/** The bar below, where there is no keyboard. */
function wireThumb() {
  const buttons = STAGES.map((stage) => make("button", { textContent: stage, data: { stage } }));
  find("thumb-stages").append(...buttons);
  const moves = { back: () => step(-1), on: () => step(1), doubt: () => doubt(1) };
  document.querySelector(".thumb").addEventListener("click", ({ target }) => {
    const { go: move, stage } = target.closest("button")?.dataset ?? {};
    if (move) moves[move]();
    else if (stage) correct(stage);
  });
}

async function loadModels() {
  try {
    const card = await service.askJson("v1/model");
    cards = [card];
    start.showModel(card);
  } catch (error) {
    tell(error, loadModels);
    return;
  }
  await loadOthers();
}

/** Other adapters of the service; where it wants a key first, the default one is enough. */
async function loadOthers() {
  try {
    const others = await service.askJson("v1/models", { isQuiet: true });
    cards.push(...others);
    start.showModel(cards[0], others.map(({ adapter }) => adapter));
  } catch (error) {
    if (![401, 404].includes(error.status)) throw error;
  }
}

wire();
hideAlert();
await loadModels();
await resume();
document.body.dataset.isReady = "true";
