// The two languages: texts, numbers and dates, and who is told when the reader switches.
import { TEXTS } from "./texts.js";

const KEPT = "language";
const LOCALES = { en: "en-GB", es: "es-CL" };
const listeners = [];
const SANTIAGO = { airport: "SCEL", code: "SCL", place: "Santiago", timeZone: "America/Santiago" };
let language = initial();
let homeAirport = SANTIAGO;

function initial() {
  let kept = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch { /* storage may be forbidden: the page works without */ }
  if (kept in TEXTS) return kept;
  return (navigator.language ?? "").toLowerCase().startsWith("es") ? "es" : "en";
}

export const currentLanguage = () => language;
export const onLanguage = (listener) => listeners.push(listener);

export function setLanguage(chosen) {
  language = chosen;
  try {
    localStorage.setItem(KEPT, chosen);
  } catch { /* see above */ }
  translatePage();
  for (const listener of listeners) listener();
}

/** The airport that the served model knows, as texts and clocks need it. */
export const home = () => homeAirport;

/** Take the airport of a model card; cards that name none are Santiago's. */
export function setHome({ airport = SANTIAGO.airport, place, time_zone: timeZone }) {
  homeAirport = airport === SANTIAGO.airport ? SANTIAGO
    : { airport, code: airport, place: place ?? airport, timeZone };
}

/** The text of a key with its {holes} filled, those of the airport by themselves. */
export function t(key, holes = {}) {
  const text = TEXTS[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (hole, name) => String(holes[name] ?? homeAirport[name] ?? hole));
}

export const known = (key) => key in TEXTS[language];

/** Write the texts of everything that stands in the document itself. */
export function translatePage() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
  for (const element of document.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  }
  for (const element of document.querySelectorAll("[data-t-placeholder]")) {
    element.placeholder = t(element.dataset.tPlaceholder);
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
}

const number = (value, options) => new Intl.NumberFormat(LOCALES[language], options).format(value);

export const integer = (value) => number(value, { maximumFractionDigits: 0 });
export const decimal = (value, digits) =>
  number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
export const percent = (share, digits = 0) => `${decimal(share * 100, digits)}\u202f%`;

/** A wall-clock time, "2017-07-14T08:30", as a date whose UTC fields are that clock. */
export const clock = (text) => new Date(`${text.length === 10 ? `${text}T00:00` : text}Z`);

function date(moment, options) {
  return new Intl.DateTimeFormat(LOCALES[language], { timeZone: "UTC", ...options }).format(moment);
}

export const longDay = (moment) =>
  date(moment, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
export const day = (moment) => date(moment, { weekday: "long", day: "numeric", month: "long" });
export const weekday = (moment) => date(moment, { weekday: "short" });
export const dayAndMonth = (moment) => date(moment, { day: "numeric", month: "short" });
export const fullDate = (moment) => date(moment, { day: "numeric", month: "long", year: "numeric" });
export const month = (moment) => date(moment, { month: "short", year: "numeric" });

export function country(code) {
  if (!/^[A-Z]{2}$/.test(code)) return code;
  return new Intl.DisplayNames([LOCALES[language]], { type: "region" }).of(code);
}
