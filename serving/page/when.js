// "When would be better?": the risk of the same flight over hours and days, as a map of buttons.
import { inWords, predict } from "./api.js";
import { find, h } from "./dom.js";
import * as say from "./i18n.js";
import { t } from "./i18n.js";
import { flightsOf, meanOf, riskName, riskPercent, shared } from "./state.js";

const DAYS_AROUND = 3;
const HOURS = 24;
const FIRST_GOOD_HOUR = 6;
const SHADES = { low: [0, 1], moderate: [2, 3, 4], elevated: [5, 6], high: [7] };
const DAY_MS = 86_400_000;

let shown = null;

/** Ask for all hours of the days around in one request, and draw them. */
export async function showWhen(flight, choose, isCurrent) {
  const cells = cellsAround(flight);
  try {
    const flights = cells.map((cell) => flightsOf(flight, cell.date, cell.time));
    const answers = await predict(flights.flat());
    if (!isCurrent()) return;
    const each = flights[0].length;
    cells.forEach((cell, i) => {
      cell.prediction = meanOf(answers.slice(i * each, (i + 1) * each));
    });
    shown = { flight, cells, choose };
    renderWhen();
  } catch (problem) {
    if (!isCurrent()) return;
    shown = null;
    find("flight-when").replaceChildren(h("div", { class: "problem", role: "alert" },
      ...inWords(problem).map((text) => h("p", { text }))));
  }
}

function cellsAround({ date, time }) {
  const chosen = say.clock(date).getTime();
  const cells = [];
  for (let offset = -DAYS_AROUND; offset <= DAYS_AROUND; offset += 1) {
    const day = new Date(chosen + offset * DAY_MS);
    const iso = day.toISOString().slice(0, 10);
    if (!/^20[0-4]/.test(iso)) continue;
    for (let hour = 0; hour < HOURS; hour += 1) {
      cells.push({ day, date: iso, hour, time: `${String(hour).padStart(2, "0")}${time.slice(2)}` });
    }
  }
  return cells;
}

export function renderWhen() {
  if (!shown) return;
  const { cells } = shown;
  const hadFocus = find("heat")?.contains(document.activeElement);
  find("flight-when").replaceChildren(h("section", { class: "panel", "aria-labelledby": "when-title" },
    h("h2", { id: "when-title", text: t("when.title") }),
    h("p", { text: t("when.lead") }),
    h("p", { class: "best" }, chosenOf(shown), h("br"), bestOf(cells)),
    map(shown), legend()));
  if (hadFocus) find("heat").querySelector("[aria-pressed=true]")?.focus({ preventScroll: true });
}

function chosenOf({ cells, flight }) {
  const chosen = cells.find(({ date, time }) => date === flight.date && time === flight.time);
  return t("when.now", { day: say.day(chosen.day), time: chosen.time,
    percent: riskPercent(chosen.prediction) });
}

/** From where each of the map's colours holds: each band of the card in its own shades. */
function colourBounds() {
  const { moderate, elevated, high } = shared.card.risk_from;
  const third = (elevated - moderate) / 3;
  return [0.75 * moderate, moderate, moderate + third, moderate + 2 * third, elevated,
    (elevated + high) / 2, high];
}

function bestOf(cells) {
  const best = cells.filter(({ hour }) => hour >= FIRST_GOOD_HOUR)
    .reduce((a, b) => (b.prediction.probability < a.prediction.probability ? b : a));
  return t("when.best", { day: say.day(best.day), time: best.time,
    percent: riskPercent(best.prediction) });
}

function map({ flight, cells, choose }) {
  const days = [...new Map(cells.map((cell) => [cell.date, cell.day])).entries()];
  const heads = days.map(([date, day], i) => place(h("span", {
    class: date === flight.date ? "day here" : "day", "aria-hidden": "true",
  }, h("b", { text: say.weekday(day) }), " ", say.dayAndMonth(day)), i + 2, 1));
  const hours = Array.from({ length: HOURS }, (_, hour) => place(
    h("span", { class: "hour", "aria-hidden": "true", text: String(hour).padStart(2, "0") }),
    1, hour + 2));
  const row = new Map(days.map(([date], i) => [date, i]));
  const bounds = colourBounds();
  const buttons = cells.map((cell) => place(button(cell, flight, choose, bounds),
    row.get(cell.date) + 2, cell.hour + 2));
  const grid = h("div", { id: "heat", class: "heat", role: "group", "aria-label": t("when.map"),
    onkeydown: move }, heads, hours, buttons);
  grid.style.setProperty("--days", days.length);
  return grid;
}

/** Days go down and hours across where there is room, and the other way round on a phone. */
function place(element, day, hour) {
  element.style.setProperty("--d", day);
  element.style.setProperty("--h", hour);
  return element;
}

function button(cell, flight, choose, bounds) {
  const { probability, risk } = cell.prediction;
  const chosen = cell.date === flight.date && cell.time === flight.time;
  const name = t("when.cell", { day: say.day(cell.day), time: cell.time,
    percent: riskPercent(cell.prediction), risk: riskName(risk) });
  const step = bounds.filter((bound) => probability >= bound).length;
  return h("button", {
    type: "button", class: `cell heat-${step}`, "aria-label": name, title: name,
    "aria-pressed": String(chosen), tabindex: chosen ? "0" : "-1",
    "data-date": cell.date, "data-hour": String(cell.hour),
    text: say.integer(probability * 100), onclick: () => choose(cell.date, cell.time),
  });
}

function move(event) {
  const cell = event.target.closest(".cell");
  const across = getComputedStyle(event.currentTarget).getPropertyValue("--across").trim() === "day";
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = steps[event.key];
  if (!cell || !step) return;
  event.preventDefault();
  const [days, hours] = across ? step : [step[1], step[0]];
  const date = new Date(say.clock(cell.dataset.date).getTime() + days * DAY_MS);
  const iso = date.toISOString().slice(0, 10);
  const next = event.currentTarget.querySelector(
    `[data-date="${iso}"][data-hour="${Number(cell.dataset.hour) + hours}"]`);
  if (!next) return;
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function legend() {
  return h("p", { class: "legend", "aria-hidden": "true" }, ...Object.entries(SHADES).map(
    ([risk, steps]) => h("span", {}, ...steps.map((step) => h("i", { class: `heat-${step}` })),
      riskName(risk))));
}
