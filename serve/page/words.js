/** Stages, times and numbers, as a person reads them. */

export const STAGES = ["W", "N1", "N2", "N3", "R"];

/** Order on a hypnogram (AASM manual, chapter II). */
export const TOP_TO_BOTTOM = ["W", "R", "N1", "N2", "N3"];

export const UNSCORED = "UNSCORED";

export const STAGE_WORDS = {
  W: "wakefulness",
  N1: "stage N1",
  N2: "stage N2",
  N3: "stage N3",
  R: "REM sleep",
  UNSCORED: "no stage",
};

/** Below it two in five are wrong, where the probabilities are right: as in the review list of the library. */
export const DOUBTFUL = 0.6;

export const percent = (share) => `${Math.round(100 * share)} %`;

const two = (number) => String(number).padStart(2, "0");

/** Seconds as hours, minutes and seconds: 1:02:30. */
export function span(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** Time of day of so many seconds after a clock time; null where no clock time is known. */
export function clock(start, seconds, withSeconds = true) {
  if (!start) return null;
  const [hours, minutes, rest] = start.split(":").map(Number);
  const day = 86400;
  const at = ((Math.round(hours * 3600 + minutes * 60 + rest + seconds) % day) + day) % day;
  const text = `${two(Math.floor(at / 3600))}:${two(Math.floor(at / 60) % 60)}`;
  return withSeconds ? `${text}:${two(at % 60)}` : text;
}

/** A value with its unit; a dash where there is none. */
export function measure(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "-";
  return unit === "%" ? `${value.toFixed(1)} %` : `${value.toFixed(1)} ${unit}`;
}

/** What is usual: "85 % or more", "2 to 5 %", "30 min or less". */
export function usual([low, high], unit) {
  const plain = (number) => String(Math.round(10 * number) / 10);
  if (high === null) return `${plain(low)} ${unit} or more`;
  return low === null ? `${plain(high)} ${unit} or less` : `${plain(low)} to ${plain(high)} ${unit}`;
}

/** One of something, or several. */
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** A sentence begins with a capital letter. */
export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");
