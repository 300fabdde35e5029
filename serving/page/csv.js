// Reads flights from pasted text or a file, and writes scored ones; no flight is lost silently.
import { home, t } from "./i18n.js";

const COLUMNS = {
  airline: ["airline", "emp-i"],
  flight_number: ["flight_number", "vlo-i"],
  destination: ["destination", "des-i"],
  scheduled_departure: ["scheduled_departure", "fecha-i"],
  flight_type: ["flight_type", "tipovuelo"],
  origin: ["origin", "ori-i"],
};
const REQUIRED = ["airline", "flight_number", "destination", "scheduled_departure"];
const RULES = {
  airline: /^[A-Z0-9]{3}$/,
  flight_number: /^[0-9]{1,5}[A-Z]?$/,
  destination: /^[A-Z]{4}$/,
  scheduled_departure:
    /^20[0-4]\d-(0[1-9]|1[0-2])-\d\d[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?$/,
  flight_type: /^[NI]?$/,
  origin: { test: (value) => value === "" || value === home().airport },
};

/** Cells of delimited text; the delimiter is the commonest of , ; and tab in the first line. */
export function parse(text) {
  const head = text.split(/\r?\n/, 1)[0];
  const delimiter = [",", ";", "\t"].reduce((best, each) =>
    head.split(each).length > head.split(best).length ? each : best);
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  const endCell = () => { row.push(cell.trim()); cell = ""; };
  const endRow = () => { endCell(); if (row.some(Boolean)) rows.push(row); row = []; };
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += c; i += 1; } else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === delimiter) endCell();
    else if (c === "\n") endRow();
    else cell += c;
  }
  endRow();
  return rows;
}

/** Flights and bad rows of a CSV text. Throws an Error in words when columns are missing. */
export function readFlights(text) {
  const [head = [], ...rows] = parse(text.replace(/^\ufeff/, ""));
  const names = head.map((name) => name.toLowerCase());
  const at = Object.fromEntries(Object.entries(COLUMNS).map(([field, aliases]) =>
    [field, names.findIndex((name) => aliases.includes(name))]));
  const missing = REQUIRED.filter((field) => at[field] < 0);
  if (missing.length) throw new Error(t("board.missing", { columns: missing.join(", ") }));
  const flights = [];
  const bad = [];
  rows.forEach((row, i) => {
    const line = i + 2;
    const cells = Object.fromEntries(Object.keys(COLUMNS).map((field) =>
      [field, at[field] < 0 ? "" : tidy(field, row[at[field]] ?? "")]));
    const wrong = Object.keys(RULES).filter((field) => !isRight(field, cells[field]));
    if (wrong.length) {
      bad.push({ line, reason: wrong.map((field) =>
        t(`bad.${field}`, { value: cells[field] || t("board.empty") })).join("; ") });
    } else flights.push({ line, flight: toFlight(cells) });
  });
  return { flights, bad };
}

function tidy(field, value) {
  if (field === "flight_number") return value.replace(/\.0$/, "").toUpperCase();
  return field === "scheduled_departure" ? value : value.toUpperCase();
}

function isRight(field, value) {
  if (!RULES[field].test(value)) return false;
  if (field !== "scheduled_departure") return true;
  const [year, month, day] = value.slice(0, 10).split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
}

function toFlight({ flight_type: type, origin: _origin, ...flight }) {
  return { ...flight, scheduled_departure: flight.scheduled_departure.replace(" ", "T"),
    ...(type ? { flight_type: type } : {}) };
}

/** Scored rows as CSV text. Every cell has passed the rules above, so none needs quotes. */
export function writeScored(rows) {
  const head = [...REQUIRED, "flight_type", "delay_probability", "delayed", "risk"].join(",");
  const lines = rows.map(({ flight, prediction }) => [
    ...REQUIRED.map((field) => flight[field]), flight.flight_type ?? "",
    prediction.probability, prediction.delayed, prediction.risk,
  ].join(","));
  return [head, ...lines, ""].join("\n");
}
