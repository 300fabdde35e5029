// View "Board": many flights from a CSV, scored, sorted and taken along.
import { inWords, predictMany } from "./api.js";
import { readFlights, writeScored } from "./csv.js";
import { bar, find, h, pill } from "./dom.js";
import * as say from "./i18n.js";
import { t } from "./i18n.js";
import { airlineName, cityName, riskName, riskPercent, shared } from "./state.js";

const PAGE = 100;
const BAD_SHOWN = 20;
const EXAMPLE = `airline,flight_number,destination,scheduled_departure,flight_type
LAN,801,NZAA,2017-07-14 00:05,I
CMP,276,MPTO,2017-07-14 00:36,I
GLO,9261,SBGR,2017-07-14 01:25,I
LAN,97,SCCI,2017-07-14 02:00,N
LAN,14,SCFA,2017-07-14 05:15,N
LAW,31,SCTE,2017-07-14 06:00,N
SKU,501,SAEZ,2017-07-14 06:35,I
LAN,114,SCAT,2017-07-14 07:20,N
SKU,15,SCBA,2017-07-14 07:45,N
LAN,120,SCFA,2017-07-14 08:30,N
SKU,104,SCSE,2017-07-14 10:15,N
IBE,6830,LEMD,2017-07-14 11:25,I
`;
const COLUMNS = {
  departure: ({ flight }) => flight.scheduled_departure,
  flight: ({ flight }) => flight.airline + flight.flight_number.padStart(6, "0"),
  destination: ({ flight }) => cityName(flight.destination),
  risk: ({ prediction }) => prediction.probability,
};

const board = { text: null, rows: null, bad: [], sort: "departure", down: false, limit: PAGE };
let turn = 0;

export function startBoard() {
  find("board-score").addEventListener("click", () => score(find("csv").value));
  find("board-example").addEventListener("click", () => {
    find("csv").value = EXAMPLE;
    score(EXAMPLE);
  });
  find("file").addEventListener("change", ({ target }) => {
    take(target.files[0]);
    target.value = "";
  });
  const drop = find("drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files[0], event.dataTransfer.getData("text"));
    });
  }
}

async function take(file, text = "") {
  if (file || text) score(file ? await file.text() : text);
}

async function score(text) {
  const mine = turn += 1;
  Object.assign(board, { text: null, rows: null, bad: [], limit: PAGE });
  find("board-result").replaceChildren();
  if (!text.trim()) return tell([t("board.nothing")]);
  try {
    const { flights, bad } = readFlights(text);
    board.bad = bad;
    board.text = text;
    const { predictions, refused } = await predictMany(flights.map(({ flight }) => flight),
      (done, all) => { if (mine === turn) progress(done, all); });
    if (mine !== turn) return undefined;
    for (const [i, reason] of refused) board.bad.push({ line: flights[i].line, reason });
    board.bad.sort((a, b) => a.line - b.line);
    board.rows = flights.map((each, i) => ({ ...each, prediction: predictions[i] }))
      .filter(({ prediction }) => prediction);
    find("board-state").replaceChildren();
    renderBoard();
  } catch (problem) {
    if (mine === turn) tell(problem.kind ? inWords(problem) : [problem.message]);
  }
  return undefined;
}

function tell(lines) {
  find("board-state").replaceChildren(h("div", { class: "problem" },
    ...lines.map((text) => h("p", { text }))));
}

function progress(done, all) {
  find("board-state").replaceChildren(
    h("p", { text: t("board.progress", { done: say.integer(done), all: say.integer(all) }) }),
    bar(done / all));
}

export function renderBoard() {
  if (!board.rows) return;
  const parts = [];
  if (board.rows.length) parts.push(summary(), table(), more());
  if (board.bad.length) parts.push(badRows());
  find("board-result").replaceChildren(...parts.filter(Boolean));
}

function summary() {
  const { rows } = board;
  const late = rows.filter(({ prediction }) => prediction.delayed).length;
  const expected = rows.reduce((sum, { prediction }) => sum + prediction.probability, 0);
  return h("div", { class: "summary" },
    h("p", { role: "status", text: t("board.summary", { n: say.integer(rows.length),
      late: say.integer(late), expected: say.decimal(expected, expected < 10 ? 1 : 0),
      threshold: shared.card ? say.percent(shared.card.threshold) : "" }) }),
    h("button", { type: "button", id: "board-download", onclick: download,
      text: t("board.download") }));
}

function sorted() {
  const key = COLUMNS[board.sort];
  const sign = board.down ? -1 : 1;
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b));
  return [...board.rows].sort((a, b) => sign * compare(key(a), key(b)) || a.line - b.line);
}

function table() {
  return h("div", { class: "scroll", role: "region", tabindex: "0",
    "aria-label": t("board.caption") },
  h("table", { class: "board" }, h("caption", { class: "unseen", text: t("board.caption") }),
    h("thead", {}, h("tr", {}, ...Object.keys(COLUMNS).map(head))),
    h("tbody", {}, ...sorted().slice(0, board.limit).map(row))));
}

function head(column) {
  const active = board.sort === column;
  const order = active ? (board.down ? "descending" : "ascending") : null;
  return h("th", { scope: "col", "aria-sort": order }, h("button", {
    type: "button", "data-sort": column, onclick: () => sortBy(column),
  }, t(`board.col.${column}`),
  h("span", { "aria-hidden": "true", text: active ? (board.down ? " ▾" : " ▴") : "" })));
}

function sortBy(column) {
  // the first press on the risk asks for the worst first
  board.down = board.sort === column ? !board.down : column === "risk";
  board.sort = column;
  renderBoard();
  find("board-result").querySelector(`[data-sort=${column}]`).focus();
}

function row({ flight, prediction }) {
  const { probability, risk } = prediction;
  const [date, time] = flight.scheduled_departure.split("T");
  return h("tr", {},
    h("td", {}, h("b", { text: time.slice(0, 5) }),
      h("small", { text: say.dayAndMonth(say.clock(date)) })),
    h("td", {}, h("b", { text: `${flight.airline} ${flight.flight_number}` }),
      h("small", { text: airlineName(flight.airline) })),
    h("td", {}, cityName(flight.destination), h("small", { text: flight.destination })),
    h("td", { class: "risk" }, h("span", { class: "of" },
      h("b", { text: riskPercent(prediction) }), pill(risk, riskName(risk))),
    bar(probability, risk)));
}

function more() {
  const left = board.rows.length - board.limit;
  if (left <= 0) return null;
  return h("p", {}, h("button", { type: "button", text: t("board.more", { n: Math.min(PAGE, left) }),
    onclick: () => { board.limit += PAGE; renderBoard(); } }));
}

function badRows() {
  const { bad } = board;
  const rest = bad.length - BAD_SHOWN;
  return h("details", { class: "panel bad", open: true },
    h("summary", { text: t("board.bad", { n: say.integer(bad.length) }) }),
    h("ul", {}, ...bad.slice(0, BAD_SHOWN).map(({ line, reason }) =>
      h("li", { text: t("board.line", { line, reason }) })),
    rest > 0 ? h("li", { text: t("board.bad.more", { n: say.integer(rest) }) }) : null));
}

function download() {
  const blob = new Blob([writeScored(sorted())], { type: "text/csv;charset=utf-8" });
  const link = h("a", { href: URL.createObjectURL(blob), download: "scored_flights.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
