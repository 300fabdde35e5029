// "Why": what pushed the estimate up and down, as signed bars; left out where nothing was sent.
import { find, h } from "./dom.js";
import * as say from "./i18n.js";
import { known, t } from "./i18n.js";

/** @param explanation list of {group or name, effect}: signed changes in probability */
export function showWhy(explanation) {
  const host = find("flight-why");
  host.replaceChildren();
  if (!Array.isArray(explanation) || !explanation.length) return;
  const ordered = [...explanation].sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect));
  const largest = Math.abs(ordered[0].effect) || 1;
  host.append(h("section", { class: "panel", "aria-labelledby": "why-title" },
    h("h2", { id: "why-title", text: t("why.title") }),
    h("p", { text: t("why.lead") }),
    h("ul", { class: "why" }, ordered.map((each) => row(each, largest)))));
}

function row({ group, name, effect }, largest) {
  const raises = effect >= 0;
  const track = h("span", { class: `signed ${raises ? "up" : "down"}`, "aria-hidden": "true" },
    h("span"));
  track.firstChild.style.width = `${(Math.abs(effect) / largest) * 50}%`;
  const points = `${raises ? "+" : "−"}${say.decimal(Math.abs(effect) * 100, 1)}`;
  return h("li", {}, h("span", { class: "fact", text: factName(group ?? name) }), track,
    h("span", { class: "points", text: points }),
    h("span", { class: "unseen", text: t(raises ? "why.raises" : "why.lowers") }));
}

export function factName(key) {
  return known(`feature.${key}`) ? t(`feature.${key}`) : String(key).replaceAll("_", " ");
}
