// A text field that finds one of many named things as you type: the ARIA combobox pattern.
import { find, h } from "./dom.js";
import { t } from "./i18n.js";

const SHOWN = 60;

export const fold = (text) =>
  text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLowerCase().trim();

/**
 * @param host element that gets label, input and list
 * @param id of the input
 * @param label key of the label's text
 * @param code pattern of a code that is taken although it is not in the list
 */
export class Combobox {
  constructor(host, id, label, code) {
    this.code = code;
    this.options = [];
    this.value = "";
    this.active = -1;
    this.list = h("ul", { id: `${id}-list`, role: "listbox", hidden: true, "data-t-label": label });
    this.input = h("input", {
      id, role: "combobox", autocomplete: "off", spellcheck: "false", "aria-expanded": "false",
      "aria-controls": this.list.id, "aria-autocomplete": "list",
      "data-t-placeholder": "combo.type",
      oninput: () => this.#typed(), onfocus: () => this.input.select(),
      onclick: () => this.#open(""), onkeydown: (event) => this.#key(event),
      onblur: () => this.#settle(),
    });
    host.append(h("label", { for: id, "data-t": label }), h("div", { class: "combo" },
      this.input, this.list));
    // a press in the list must not take the focus, or the list would close before the click
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
  }

  /** Options are {code, label, note}; what was chosen stays chosen, in the new language's words. */
  setOptions(options) {
    this.options = options.map((option) => ({
      ...option, words: fold(`${option.label} ${option.note} ${option.code}`),
    }));
    this.choose(this.value);
  }

  choose(code) {
    const before = this.value;
    const option = this.options.find((each) => each.code === code);
    this.value = code;
    this.input.value = option ? `${option.label} (${code})` : code;
    this.#close();
    if (before !== code) this.input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #matches(text) {
    const words = fold(text).split(/[\s()]+/).filter(Boolean);
    const found = this.options.filter((option) => words.every((word) => option.words.includes(word)));
    const first = fold(text);
    return found.sort((a, b) => this.#rank(a, first) - this.#rank(b, first)).slice(0, SHOWN);
  }

  #rank(option, text) {
    if (fold(option.code) === text) return 0;
    const label = fold(option.label);
    return label.startsWith(text) ? 1 : label.includes(text) ? 2 : 3;
  }

  #typed() {
    this.value = "";
    this.#open(this.input.value);
  }

  #open(text) {
    const found = this.#matches(text);
    this.active = text && found.length ? 0 : -1;
    this.list.replaceChildren(...found.map((option, i) => h("li", {
      id: `${this.list.id}-${i}`, role: "option", "data-code": option.code,
      "aria-selected": String(option.code === this.value),
      onclick: () => this.choose(option.code),
    }, h("span", { text: option.label }), h("small", { text: option.note }))));
    if (!found.length) {
      this.list.append(h("li", { class: "none", role: "option", "aria-disabled": "true",
        "aria-selected": "false", text: t("combo.none") }));
    }
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.#mark();
  }

  #close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  #mark() {
    [...this.list.children].forEach((item, i) => {
      item.classList.toggle("active", i === this.active);
      if (i === this.active) item.scrollIntoView({ block: "nearest" });
    });
    if (this.active < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `${this.list.id}-${this.active}`);
  }

  #key(event) {
    const open = !this.list.hidden;
    const count = this.list.querySelectorAll("[data-code]").length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) this.#open("");
      else if (count) {
        this.active = (this.active + (event.key === "ArrowDown" ? 1 : -1) + count) % count;
        this.#mark();
      }
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      const item = find(`${this.list.id}-${this.active}`);
      if (item) this.choose(item.dataset.code);
      else this.#settle();
    } else if (event.key === "Escape" && open) {
      this.#close();
    }
  }

  /** Leaving the field: take what was typed where it can only mean one thing. */
  #settle() {
    const typed = this.input.value.trim();
    if (!this.value && typed) {
      const found = this.#matches(typed);
      const exact = found.find((option) => fold(option.code) === fold(typed));
      if (exact || found.length === 1) this.choose((exact ?? found[0]).code);
      else if (this.code.test(typed.toUpperCase())) this.choose(typed.toUpperCase());
    }
    this.#close();
  }
}
