// View "Model": the card in words, tables and bars.
import { bar, find, h, pill, svg } from "./dom.js";
import * as say from "./i18n.js";
import { t } from "./i18n.js";
import { riskName, shared } from "./state.js";
import { factName } from "./why.js";

const TRUSTED = ["E3.schedule", "E3.daily", "E3.live", "E2", "E1"];
const GUESSING = 0.5;
const FACTS_SHOWN = 12;

export function renderModel() {
  const { card } = shared;
  if (!card) return;
  find("model-body").replaceChildren(...[
    trained(card), bands(card), quality(card), reliability(card), months(card), drift(card),
    importance(card), details(card),
  ].filter(Boolean));
}

function panel(title, ...children) {
  return h("section", { class: "panel" }, h("h2", { text: t(title) }), ...children);
}

function trained({ data, refreshed }) {
  const fact = (value, text) => h("li", {}, h("b", { text: value }), h("span", { text }));
  return panel("model.trained", h("ul", { class: "facts" },
    fact(say.integer(data.flights), data.is_sample ? t("model.sample") : t("model.flights")),
    fact(say.percent(data.late_share, 1), t("model.late"))),
  h("p", { text: t("model.period", { from: say.fullDate(say.clock(data.first_departure)),
    to: say.fullDate(say.clock(data.last_departure)) }) }),
  refreshed ? h("p", { text: t("model.refreshed", {
    to: say.fullDate(say.clock(refreshed.through)) }) }) : null);
}

/** The evaluation's protocols that the card holds, the most trustworthy first. */
function protocols({ evaluation = {} }) {
  return TRUSTED.filter((name) => evaluation[name]).map((name) => [name, evaluation[name]]);
}

function quality(card) {
  const [main, ...others] = protocols(card);
  if (!main) return panel("model.quality", h("p", { class: "quiet", text: t("model.none") }));
  const [name, figures] = main;
  return panel("model.quality",
    h("p", { text: t(`model.protocol.${name}`) }),
    h("ul", { class: "said" }, inPlainWords(figures).map((text) => h("li", { text }))),
    others.length ? h("details", {}, h("summary", { text: t("model.protocols") }),
      protocolTable([main, ...others])) : null);
}

function inPlainWords({ auc, precision, recall, ece, brier, brier_constant: constant }) {
  const gain = 100 * (1 - brier / constant);
  return [
    t("figure.auc", { n: say.integer(auc * 100) }),
    t("figure.precision", { n: say.integer(precision * 100) }),
    t("figure.recall", { n: say.integer(recall * 100) }),
    t("figure.ece", { n: say.decimal(ece * 100, 1) }),
    t(gain >= 0 ? "figure.brier" : "figure.brier.worse", { n: say.integer(Math.abs(gain)) }),
  ];
}

function protocolTable(rows) {
  return h("div", {}, scrolling(t("model.protocols"), h("table", {},
    header(["model.test", "model.auc", "model.brier", "model.precision", "model.recall"]),
    h("tbody", {}, ...rows.map(([name, each]) => h("tr", {},
      h("th", { scope: "row", text: name }),
      ...[each.auc, each.brier, each.precision, each.recall].map(figure)))))),
  h("dl", { class: "terms" }, ...rows.flatMap(([name]) => [h("dt", { text: name }),
    h("dd", { text: t(`model.protocol.${name}`) })])));
}

const figure = (value) => h("td", { class: "n", text: say.decimal(value, 3) });

function header(keys) {
  return h("thead", {}, h("tr", {}, ...keys.map((key) => h("th", { scope: "col", text: t(key) }))));
}

function scrolling(label, table) {
  return h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, table);
}

function months(card) {
  const found = protocols(card).find(([, each]) => each.by_month);
  if (!found) return null;
  const rows = Object.entries(found[1].by_month);
  const most = Math.max(...rows.map(([, each]) => each.late_share));
  return panel("model.months", h("p", { text: t("model.months.lead") }),
    scrolling(t("model.months"), h("table", { class: "months" },
      header(["model.month", "model.n", "model.auc", "model.late_share"]),
      h("tbody", {}, ...rows.map(([name, each]) => h("tr", {},
        h("th", { scope: "row", text: say.month(say.clock(`${name}-01`)) }),
        h("td", { class: "n", text: say.integer(each.n) }),
        h("td", {}, h("span", { class: "with" }, h("span", { text: say.decimal(each.auc, 2) }),
          bar((each.auc - GUESSING) / GUESSING))),
        h("td", {}, h("span", { class: "with" }, h("span", { text: say.percent(each.late_share) }),
          bar(each.late_share / most, "usual")))))))));
}

/** Shown where the card carries `drift`: {way: {month: {late_share, mean_probability, ...}}}. */
function drift(card) {
  const found = protocols(card).find(([, each]) => each.drift);
  if (!found) return null;
  const ways = Object.entries(found[1].drift).filter(([name]) => !name.includes(";")).reverse();
  const names = [...new Set(ways.flatMap(([, each]) => Object.keys(each)))]
    .filter((name) => name !== "pooled").sort();
  const share = (value) => h("td", { class: "n", text: say.percent(value) });
  return panel("model.drift", h("p", { text: t("model.drift.lead") }),
    scrolling(t("model.drift"), h("table", { class: "drift" },
      h("thead", {}, h("tr", {},
        ...[t("model.month"), t("model.late_share"), ...ways.map(([name]) => wayName(name))]
          .map((text) => h("th", { scope: "col", text })))),
      h("tbody", {}, ...names.map((name) => h("tr", {},
        h("th", { scope: "row", text: say.month(say.clock(`${name}-01`)) }),
        share(ways.find(([, each]) => each[name])[1][name].late_share),
        ...ways.map(([, each]) => (each[name] ? share(each[name].mean_probability)
          : h("td", { class: "n", text: "–" })))))))));
}

function wayName(name) {
  const [to] = /\d{4}-\d{2}/.exec(name) ?? [];
  return to ? t("model.fitted", { to: say.month(say.clock(`${to}-01`)) }) : t("model.refitted");
}

/** Shown where the card carries `reliability`: {said: [...], happened: [...]} of a protocol. */
function reliability(card) {
  const found = protocols(card).find(([, each]) => each.reliability);
  if (!found) return null;
  const { said, happened } = found[1].reliability;
  const top = Math.min(1, Math.ceil(Math.max(...said, ...happened) * 10) / 10);
  const [size, edge] = [300, 36];
  const x = (share) => edge + (share / top) * size;
  const y = (share) => 8 + size - (share / top) * size;
  const ticks = [0, top / 2, top];
  return panel("model.reliability", h("p", { text: t("model.reliability.lead") }),
    svg("svg", { class: "chart", viewBox: `0 0 ${edge + size + 26} ${size + 48}`, role: "img",
      "aria-label": said.map((each, i) => `${say.percent(each)} → ${say.percent(happened[i])}`)
        .join("; ") },
    ...ticks.flatMap((tick) => [
      svg("line", { class: "grid", x1: x(0), x2: x(top), y1: y(tick), y2: y(tick) }),
      svg("text", { x: edge - 4, y: y(tick) + 4, "text-anchor": "end" }, say.percent(tick)),
      svg("text", { x: x(tick), y: size + 24, "text-anchor": "middle" }, say.percent(tick)),
    ]),
    svg("text", { x: x(top), y: size + 42, "text-anchor": "end" }, `${t("model.said")} →`),
    svg("text", { x: edge + 4, y: 20 }, `↑ ${t("model.happened")}`),
    svg("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(top), y2: y(top) }),
    svg("polyline", { class: "curve", points: said.map((each, i) =>
      `${x(each)},${y(happened[i])}`).join(" ") }),
    ...said.map((each, i) => svg("circle", { cx: x(each), cy: y(happened[i]), r: 4.5 }))));
}

function bands({ threshold, risk_from: from }) {
  const names = Object.keys(from).sort((a, b) => from[a] - from[b]);
  return panel("model.bands",
    h("p", { text: t("model.bands.lead", { threshold: say.percent(threshold) }) }),
    h("ul", { class: "bands" }, ...names.map((name, i) => h("li", {}, pill(name, riskName(name)),
      h("span", { text: t("model.band", { from: say.percent(from[name]),
        to: say.percent(from[names[i + 1]] ?? 1) }) })))));
}

function importance({ importance: shares }) {
  const rows = Object.entries(shares).sort((a, b) => b[1] - a[1]);
  const most = rows[0]?.[1] || 1;
  const list = (some) => h("ul", { class: "shares" }, ...some.map(([name, share]) => h("li", {},
    h("span", { text: factName(name) }), bar(share / most),
    h("span", { class: "points", text: say.percent(share, 1) }))));
  return panel("model.importance", h("p", { text: t("model.importance.lead") }),
    list(rows.slice(0, FACTS_SHOWN)),
    rows.length > FACTS_SHOWN ? h("details", {}, h("summary", {
      text: t("board.more", { n: rows.length - FACTS_SHOWN }),
    }), list(rows.slice(FACTS_SHOWN))) : null);
}

function details({ model, training, data, libraries }) {
  const pairs = [
    ["model.version", model], ["model.trees", training.trees], ["model.seed", training.seed],
    ["model.hash", data.sha256],
    ["model.libraries", Object.entries(libraries).map((each) => each.join(" ")).join(", ")],
  ];
  return h("details", { class: "panel" }, h("summary", { text: t("model.more") }),
    h("dl", { class: "terms" }, ...pairs.flatMap(([key, value]) =>
      [h("dt", { text: t(key) }), h("dd", { text: String(value) })])));
}
