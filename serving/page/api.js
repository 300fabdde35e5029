// Talks to the public contract and turns every way it can fail into words.
import { known, t } from "./i18n.js";

const CHUNK = 1000;
const PATIENCE_MS = 30_000;
const RETRIES = 3;
const LONGEST_WAIT_S = 5;

/** What the service refused or why it could not be asked. */
export class Problem extends Error {
  constructor(kind, { status = 0, detail = "", errors = null, wait = 1 } = {}) {
    super(kind);
    Object.assign(this, { kind, status, detail, errors, wait });
  }
}

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    throw new Problem(error.name === "TimeoutError" ? "timeout" : "unreachable");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  throw new Problem(String(body?.type ?? "unexpected").split(":").pop(), {
    status: response.status,
    detail: body?.detail ?? "",
    errors: body?.errors ?? null,
    wait: Number(response.headers.get("retry-after")) || 1,
  });
}

export const fetchCard = () => call("/model");

/** Predictions for at most one request's worth of flights, in order. */
export async function predict(flights, extra = {}) {
  const answer = await call("/predict_delay", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ flights, ...extra }),
  });
  return answer.predictions;
}

/**
 * Score any number of flights in chunks; waits and asks again when the service is busy.
 * Returns predictions in order, with null for flights that the service refuses, and its reasons.
 */
export async function predictMany(flights, onProgress) {
  const predictions = new Array(flights.length).fill(null);
  const refused = new Map();
  for (let start = 0; start < flights.length; start += CHUNK) {
    let asked = flights.slice(start, start + CHUNK).map((flight, i) => ({ flight, at: start + i }));
    for (let attempt = 0; asked.length > 0; ) {
      try {
        const answers = await predict(asked.map(({ flight }) => flight));
        answers.forEach((answer, i) => { predictions[asked[i].at] = answer; });
        break;
      } catch (problem) {
        if ([429, 503].includes(problem.status) && attempt < RETRIES) {
          attempt += 1;
          await new Promise((go) => setTimeout(go, 1000 * Math.min(problem.wait, LONGEST_WAIT_S)));
          continue;
        }
        const bad = (problem.errors ?? []).filter(({ flight }) => flight !== null);
        if (problem.status !== 422 || bad.length === 0) throw problem;
        for (const { flight, pointer, detail } of bad) {
          if (asked[flight]) refused.set(asked[flight].at, `${fieldOf(pointer)}: ${detail}`);
        }
        const left = asked.filter(({ at }) => !refused.has(at));
        if (left.length === asked.length) throw problem;
        asked = left;
      }
    }
    onProgress(Math.min(start + CHUNK, flights.length), flights.length);
  }
  return { predictions, refused };
}

function fieldOf(pointer) {
  const field = pointer.split("/").pop();
  return known(`field.${field}`) ? t(`field.${field}`) : field;
}

/** A problem as sentences: what happened, and what the service itself said about it. */
export function inWords(problem) {
  if (!(problem instanceof Problem)) throw problem;
  const key = known(`problem.${problem.kind}`) ? `problem.${problem.kind}` : "problem.unexpected";
  const lines = [t(key, { status: problem.status })];
  if (problem.errors) {
    for (const { pointer, detail } of problem.errors.slice(0, 5)) {
      lines.push(`${fieldOf(pointer)}: ${detail}`);
    }
  } else if (problem.detail) {
    lines.push(t("problem.said", { detail: problem.detail }));
  }
  return lines;
}
