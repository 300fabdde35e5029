// View "Flight": one flight in, its risk as a sentence and a picture out.
import { inWords, predict } from "./api.js";
import { Combobox } from "./combobox.js";
import { find, h, pill, svg } from "./dom.js";
import * as say from "./i18n.js";
import { t } from "./i18n.js";
import {
  airlineName, airlineOptions, cityName, destinationOptions, flightsOf, meanOf, NO_NUMBER, riskName,
  riskPercent, shared, usualNumbers,
} from "./state.js";
import { showWhen } from "./when.js";
import { showWhy } from "./why.js";

const PLANE = "M22 16.2v-2l-8.2-5.1V3.6a1.6 1.6 0 0 0-3.2 0v5.5L2.4 14.2v2l8.2-2.5v5.6l-2 1.5v1.6"
  + "l3.6-1 3.6 1v-1.6l-2-1.5v-5.6z";
const PLANES = 10;
const EXAMPLES = [
  ["LAN", "120", "SCFA", "08:30"], ["SKU", "104", "SCSE", "18:15"], ["IBE", "6830", "LEMD", "11:25"],
];

let airline;
let destination;
let last = null;
let asked = 0;
let offered = "";

export function startFlight() {
  airline = new Combobox(find("airline-field"), "airline", "field.airline", /^[A-Z0-9]{3}$/);
  destination = new Combobox(find("destination-field"), "destination", "field.destination",
    /^[A-Z]{4}$/);
  find("date").value = offered = tomorrow();
  find("time").value = "08:30";
  find("flight-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(true);
  });
  find("flight-form").addEventListener("change", suggestNumbers);
}

/** The date of tomorrow at the airport. */
const tomorrow = () => new Date(Date.now() + 86_400_000)
  .toLocaleDateString("sv-SE", { timeZone: say.home().timeZone });

/** Write everything that depends on the card or the language. */
export function renderFlight() {
  if (find("date").value === offered) find("date").value = offered = tomorrow();
  airline.setOptions(airlineOptions());
  destination.setOptions(destinationOptions());
  find("flight-examples").replaceChildren(...EXAMPLES
    .filter(([code, , to]) => shared.card?.airlines[code] && shared.card?.destinations[to])
    .map((example) => h("button", {
      type: "button", class: "link", onclick: () => useExample(example),
      text: `${airlineName(example[0])} → ${cityName(example[2])}`,
    })));
  find("flight-examples").parentElement.hidden = !find("flight-examples").firstChild;
  if (last) show(last);
  else if (!asked) find("flight-result").replaceChildren(placeholder());
}

function placeholder() {
  return h("div", { class: "placeholder" }, planes(0), h("p", { text: t("flight.empty") }));
}

function useExample([code, number, to, time]) {
  airline.choose(code);
  destination.choose(to);
  find("number").value = number;
  find("time").value = time;
  ask(true);
}

function suggestNumbers() {
  find("numbers").replaceChildren(...usualNumbers(airline.value, destination.value)
    .map((number) => h("option", { value: number })));
}

/** The flight of the form, or null after naming the first field that is missing or wrong. */
function readForm() {
  const [number, date, time] = ["number", "date", "time"].map((id) => find(id).value.trim());
  const wrong = [
    ["airline", !airline.value], ["destination", !destination.value],
    ["number", number && !/^[0-9]{1,5}[A-Z]?$/.test(number.toUpperCase())],
    ["date", !/^20[0-4]\d-/.test(date)], ["time", !time],
  ].find(([, isWrong]) => isWrong)?.[0];
  for (const id of ["airline", "destination", "number", "date", "time"]) {
    find(id).toggleAttribute("aria-invalid", false);
    if (id === wrong) find(id).setAttribute("aria-invalid", "true");
  }
  find("flight-wrong").textContent = wrong ? t(`flight.wrong.${wrong}`) : "";
  if (wrong) {
    find(wrong).focus();
    return null;
  }
  return { airline: airline.value, destination: destination.value, date, time: time.slice(0, 5),
    number: number.toUpperCase() };
}

/** @param follow whether the reader should be taken to the answer, where it stands out of sight */
async function ask(follow) {
  const flight = readForm();
  if (!flight) return;
  const turn = asked += 1;
  const result = find("flight-result");
  result.dataset.busy = "yes";
  if (!last) result.replaceChildren(h("p", { class: "quiet", text: t("flight.busy") }));
  try {
    const flights = flightsOf(flight);
    const explain = flights.length === 1;
    const predictions = await predict(flights, explain ? { explain: true } : {});
    if (turn !== asked) return;
    last = { flight, prediction: meanOf(predictions) };
    show(last);
    if (follow) bringIntoView(result);
    if (shared.card) showWhen(flight, choose, () => turn === asked);
  } catch (problem) {
    if (turn !== asked) return;
    last = null;
    for (const id of ["flight-why", "flight-when"]) find(id).replaceChildren();
    result.replaceChildren(h("div", { class: "problem", role: "alert" },
      ...inWords(problem).map((line) => h("p", { text: line })),
      h("button", { type: "button", text: t("retry"), onclick: () => ask(true) })));
  } finally {
    if (turn === asked) result.dataset.busy = "no";
  }
}

function choose(date, time) {
  find("date").value = date;
  find("time").value = time;
  ask(false);
}

function bringIntoView(element) {
  if (element.getBoundingClientRect().top < window.innerHeight * 0.6) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}

function show({ flight, prediction }) {
  const { probability, risk } = prediction;
  const base = shared.card?.data?.late_share;
  find("flight-result").replaceChildren(
    h("p", { class: "route" }, h("strong", { text: routeOf(flight) }),
      h("span", { text: t("flight.at", { day: say.longDay(say.clock(flight.date)),
        time: flight.time }) })),
    h("p", { class: "answer" }, h("span", { class: "big", text: riskPercent(prediction) }),
      pill(risk, t("risk.of", { risk: riskName(risk).toLowerCase() })),
      base ? h("span", { class: "quiet", text: compared(probability / base) }) : null),
    h("p", { class: "sentence", text: sentence(probability) }),
    h("div", { class: "picture", "aria-hidden": "true" },
      h("span", { text: t("picture.like") }), planes(probability, risk),
      ...(base ? [h("span", { text: t("picture.all") }), planes(base, "usual")] : [])),
    ...(base ? [h("p", { text: baseSentence(base) })] : []),
    h("ul", { class: "notes" }, notes(flight, prediction).map((text) => h("li", { text }))),
  );
  showWhy(prediction.explanation);
}

function routeOf(flight) {
  return t("flight.route", { airline: airlineName(flight.airline), number: flight.number,
    destination: cityName(flight.destination) }).replace(/ {2,}/g, " ");
}

function sentence(probability) {
  const n = Math.round(probability * 10);
  const kind = n === 0 ? "few" : n === 1 ? "one" : n === 10 ? "most" : "some";
  return t(`say.${kind}`, { n });
}

function baseSentence(base) {
  const n = Math.round(base * 10);
  return t(n ? "say.base" : "say.base.below", { n, percent: say.percent(base) });
}

function compared(ratio) {
  if (ratio > 0.93 && ratio < 1.07) return t("say.average");
  if (ratio < 1) return t("say.below", { n: say.integer(100 * (1 - ratio)) });
  return t("say.times", { x: say.decimal(ratio, 1) });
}

function notes(flight, { delayed, unknown }) {
  const { threshold, data } = shared.card ?? {};
  const usual = flightsOf(flight).map((each) => each.flight_number);
  const said = unknown.map((field) => t(`note.unknown.${field}`));
  if (threshold !== undefined) {
    said.unshift(t(delayed ? "verdict.late" : "verdict.fine",
      { threshold: say.percent(threshold) }));
  }
  if (!flight.number) {
    said.push(usual[0] === NO_NUMBER ? t("note.number")
      : t("note.mean", { numbers: usual.join(", ") }));
  }
  if (data && !data.is_sample && !within(flight.date, data)) {
    said.push(t("note.period", { from: say.month(say.clock(data.first_departure)),
      to: say.month(say.clock(data.last_departure)) }));
  }
  return said;
}

const within = (date, data) =>
  date >= data.first_departure.slice(0, 10) && date <= data.last_departure.slice(0, 10);

/** Ten planes, as many of them in colour as flights out of ten are late; a part counts. */
function planes(share, kind = "") {
  const row = (cls) => svg("g", { class: cls }, ...Array.from({ length: PLANES }, (_, i) =>
    svg("path", { d: PLANE, transform: `translate(${i * 24} 0)` })));
  const id = `clip-${kind || "none"}`;
  return svg("svg", { viewBox: `0 0 ${PLANES * 24} 24`, class: `planes ${kind}` },
    svg("clipPath", { id }, svg("rect", { width: share * PLANES * 24, height: 24 })),
    row("rest"), svg("g", { "clip-path": `url(#${id})` }, row("late")));
}
