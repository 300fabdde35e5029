// What the views share: the model card, the flight of the form, and how both are named.
import { country, percent, t } from "./i18n.js";

export const NO_NUMBER = "0";
const MOST_NUMBERS = 5;
const RISKS = ["low", "moderate", "elevated", "high"];

/** The card of `GET /model`; null until it has arrived. */
export const shared = { card: null };

export const airlineName = (code) => shared.card?.airlines?.[code] ?? code;
export const cityName = (code) => shared.card?.destinations?.[code]?.city ?? code;
/** A probability in whole percent, or finer where rounding would cross a band or the threshold. */
export function riskPercent({ probability, risk, delayed }) {
  const { risk_from: from, threshold } = shared.card ?? {};
  const rounded = Math.round(probability * 100) / 100;
  const agrees = !from || (bandOf(rounded) === risk && (rounded >= threshold) === delayed);
  return agrees ? percent(probability) : percent(Math.floor(probability * 1000) / 1000, 1);
}

const bandOf = (probability) =>
  RISKS.findLast((risk) => probability >= shared.card.risk_from[risk]);

export const riskName = (risk) => t(`risk.${risk}`);

export function airlineOptions() {
  const named = Object.entries(shared.card?.airlines ?? {});
  return byLabel(named.map(([code, label]) => ({ code, label, note: code })));
}

export function destinationOptions() {
  const known = Object.entries(shared.card?.destinations ?? {});
  return byLabel(known.map(([code, place]) => ({
    code,
    label: place.city,
    note: [place.name, country(place.country), code].filter(Boolean).join(" · "),
  })));
}

function byLabel(options) {
  return options.sort((a, b) => a.label.localeCompare(b.label));
}

/** Usual flight numbers of an airline on a route, where the card publishes them. */
export function usualNumbers(airline, destination) {
  return shared.card?.flight_numbers?.[airline]?.[destination] ?? [];
}

/** The contract's flights that stand for a flight: several where its number is left open. */
export function flightsOf(flight, date = flight.date, time = flight.time) {
  const usual = usualNumbers(flight.airline, flight.destination).slice(0, MOST_NUMBERS);
  const numbers = flight.number ? [flight.number] : usual.length ? usual : [NO_NUMBER];
  return numbers.map((number) => ({ airline: flight.airline, flight_number: number,
    destination: flight.destination, scheduled_departure: `${date}T${time}:00` }));
}

/** One prediction for several that stand for the same flight: their mean, judged by the card. */
export function meanOf(predictions) {
  if (predictions.length === 1) return predictions[0];
  const probability = predictions.reduce((sum, each) => sum + each.probability, 0)
    / predictions.length;
  return { ...predictions[0], probability, delayed: probability >= shared.card.threshold,
    risk: bandOf(probability) };
}
