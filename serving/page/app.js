// Starts the page: languages, views, the banner, and the model card that all views need.
import { fetchCard, inWords } from "./api.js";
import { renderBoard, startBoard } from "./board.js";
import { find, h } from "./dom.js";
import { renderFlight, startFlight } from "./flight.js";
import { currentLanguage, onLanguage, setHome, setLanguage, t, translatePage } from "./i18n.js";
import { renderModel } from "./model.js";
import { shared } from "./state.js";
import { renderWhen } from "./when.js";

const VIEWS = ["flight", "board", "model"];
let cardProblem = null;

function showView(moveFocus) {
  const asked = location.hash.slice(1);
  if (asked && !VIEWS.includes(asked)) return;
  const view = asked || VIEWS[0];
  for (const each of VIEWS) find(`view-${each}`).hidden = each !== view;
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  title(view);
  if (!moveFocus) return;
  window.scrollTo(0, 0);
  find(`${view}-title`).focus({ preventScroll: true });
}

function title(view) {
  document.title = `${t(`nav.${view}`)} · ${t("brand")}`;
}

function render() {
  showView(false);
  renderBanner();
  renderFlight();
  renderWhen();
  renderBoard();
  renderModel();
  find("model-tag").textContent = shared.card?.model ?? "";
  find("card-problem").replaceChildren(...(cardProblem ? [problemBox()] : []));
}

function renderBanner() {
  const { warning, data } = shared.card ?? {};
  const translated = data?.is_sample && currentLanguage() !== "en";
  find("banner").hidden = !warning;
  find("banner").replaceChildren(...(warning ? [h("p", { class: "wide" },
    h("strong", { text: data?.is_sample ? t("banner.title") : "⚠" }), " ",
    translated ? t("banner.sample") : warning)] : []));
}

function problemBox() {
  return h("div", { class: "problem", role: "alert" },
    ...inWords(cardProblem).map((text) => h("p", { text })),
    h("button", { type: "button", text: t("retry"), onclick: loadCard }));
}

async function loadCard() {
  try {
    shared.card = await fetchCard();
    setHome(shared.card);
    translatePage();
    cardProblem = null;
  } catch (problem) {
    cardProblem = problem;
  }
  render();
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => setLanguage(button.dataset.language));
}
onLanguage(render);
window.addEventListener("hashchange", () => showView(true));
startFlight();
startBoard();
translatePage();
render();
loadCard();
