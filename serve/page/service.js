/** The service over HTTP: keys, problems in the library's own sentences, streams of progress. */

const KEY_PLACE = "somnolens-key";
const MOST_TRIES = 4;

/** What went wrong, as the service says it (RFC 9457), or as the page does where no service answers. */
export class Problem extends Error {
  constructor({ title = "", detail = "", status = 0, type = "" }) {
    super(detail || title);
    Object.assign(this, { title, detail, status, type });
  }
}

/** Somebody pressed cancel. */
export class Stopped extends Error {}

const gone = () =>
  new Problem({
    title: "The service does not answer.",
    detail: "Look whether it runs (somnolens serve) and whether this machine reaches it, then try again.",
    type: "gone",
  });

const broken = () =>
  new Problem({
    title: "The answer broke off.",
    detail: "The connection ended before the night was scored. Send it again.",
    type: "broken",
  });

/** The problem in a body; a plain sentence where there is none in it. */
export function readProblem(status, text) {
  try {
    const { title, detail, type } = JSON.parse(text);
    if (typeof detail === "string") return new Problem({ title, detail, type, status });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return new Problem({ title: "The service failed.", detail: `It answered with status ${status} and no reason.`, status });
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

export class Service {
  /** @param {(problem: Problem) => Promise<string|null>} askKey asks a person for a key; null where none is given */
  constructor(askKey) {
    this.askKey = askKey;
    this.asking = null;
    this.key = sessionStorage.getItem(KEY_PLACE) ?? "";
  }

  headers(type) {
    const named = type ? { "Content-Type": type } : {};
    return this.key ? { ...named, Authorization: `Bearer ${this.key}` } : named;
  }

  /** Ask for another key than the one that was refused; all requests that wait share one question. */
  async renewKey(refused, problem) {
    if (this.key !== refused) return;
    this.asking ??= this.askKey(problem).finally(() => {
      this.asking = null;
    });
    const key = await this.asking;
    if (key === null) throw problem;
    this.key = key;
    sessionStorage.setItem(KEY_PLACE, key);
  }

  /** An answer that is fine; busy services are asked again, unknown keys asked for. */
  async ask(path, { method = "GET", body, type, signal, isQuiet = false } = {}) {
    for (let tries = 1; ; tries += 1) {
      const key = this.key;
      const answer = await this.fetch(path, { method, body, signal, headers: this.headers(type) });
      if (answer.ok) return answer;
      const problem = readProblem(answer.status, await answer.text());
      if (answer.status === 401 && !isQuiet) await this.renewKey(key, problem);
      else if ([429, 503].includes(answer.status) && tries < MOST_TRIES && !isQuiet) {
        await pause(Math.min(Number(answer.headers.get("Retry-After")) || 1, 5));
      } else throw problem;
    }
  }

  async fetch(path, options) {
    try {
      return await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw new Stopped();
      throw gone();
    }
  }

  async askJson(path, options) {
    return (await this.ask(path, options)).json();
  }

  async askBlob(path, options) {
    return (await this.ask(path, options)).blob();
  }

  /**
   * Have a night scored, and tell how far it is.
   *
   * An XMLHttpRequest, because fetch does not tell how much of a body has been sent.
   *
   * @param {string} path with wait=stream
   * @param {Blob|null} body
   * @param {(state: {state: string, progress: number}) => void} watch
   * @param {AbortSignal} signal
   */
  async stage(path, body, watch, signal) {
    for (;;) {
      const key = this.key;
      try {
        return await this.stream(path, body, watch, signal);
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 401) throw error;
        await this.renewKey(key, error);
      }
    }
  }

  stream(path, body, watch, signal) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      let last = null;
      const lines = new Lines((line) => {
        last = line;
        if (typeof line.progress === "number") watch(line);
      });
      request.open("POST", path);
      for (const [name, value] of Object.entries(this.headers(body ? "application/octet-stream" : ""))) {
        request.setRequestHeader(name, value);
      }
      if (body) {
        request.upload.onprogress = ({ loaded, total }) => watch({ state: "sending", progress: loaded / total });
      }
      request.onprogress = () => request.status === 200 && lines.take(request.responseText);
      request.onload = () => {
        if (request.status !== 200) return reject(readProblem(request.status, request.responseText));
        lines.take(`${request.responseText}\n`);
        return finish(last, resolve, reject);
      };
      request.onerror = () => reject(request.status === 200 ? broken() : gone());
      request.onabort = () => reject(new Stopped());
      signal.addEventListener("abort", () => request.abort());
      request.send(body);
    });
  }
}

function finish(last, resolve, reject) {
  if (last?.state === "done") resolve(last.night);
  else if (last?.state === "failed") reject(new Problem(last.problem));
  else reject(broken());
}

/** Whole lines of a growing text, each read once. */
class Lines {
  constructor(call) {
    this.call = call;
    this.read = 0;
  }

  take(text) {
    for (let end = text.indexOf("\n", this.read); end >= 0; end = text.indexOf("\n", this.read)) {
      const line = text.slice(this.read, end).trim();
      this.read = end + 1;
      if (line) this.call(JSON.parse(line));
    }
  }
}
