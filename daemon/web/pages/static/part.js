// One part of the page and its states: loading, shown, empty, in trouble. What it shows is the matter of `draw`.

import { ask } from "./asking.js";
import { element } from "./elements.js";

/** Loads one address into one section. `draw(data)` fills the content, or returns nodes to show in its place. */
export class Part {
  #asked = 0;
  #isShown = false;

  constructor(section, path, draw) {
    this.section = section;
    this.content = section.querySelector(".content");
    this.state = section.querySelector(".state");
    this.path = path;
    this.draw = draw;
    this.data = null;
  }

  /** Fetch and draw; the newest ask wins. Returns false where the server did not give it. */
  async load() {
    const mine = (this.#asked += 1);
    this.section.setAttribute("aria-busy", "true");
    let data;
    try {
      data = await ask(typeof this.path === "function" ? this.path() : this.path);
    } catch (trouble) {
      if (mine !== this.#asked) return true; // a newer ask tells how it stands
      this.#tell(trouble);
      return false;
    }
    if (mine === this.#asked) this.show(data);
    return true;
  }

  show(data) {
    this.data = data;
    this.section.setAttribute("aria-busy", "false");
    this.content.hidden = false; // before drawing: a hidden canvas has no size
    const instead = this.draw(data);
    this.content.hidden = instead !== undefined;
    this.state.replaceChildren(...(instead === undefined ? [] : [instead].flat()));
    this.#isShown = instead === undefined;
  }

  #tell(trouble) {
    this.section.setAttribute("aria-busy", "false");
    const again = element("button", { type: "button", class: "quiet" }, "Try again");
    again.addEventListener("click", () => {
      again.disabled = true;
      this.load();
    });
    const words = this.#isShown ? `Not brought up to date. ${trouble.detail ?? ""}` : trouble.detail ?? "";
    this.state.replaceChildren(
      element("div", { class: "note bad" },
        element("p", {}, element("strong", {}, `${trouble.title ?? "Something broke here"}. `), words), again),
    );
    if (trouble.title === undefined) throw trouble; // not the server's: a slip of ours belongs on the console
  }
}

/** What stands where there is nothing to show yet: a sentence, and what it depends on. */
export function nothingYet(title, ...sentences) {
  return element("div", { class: "empty" }, element("p", {}, element("strong", {}, title)),
    sentences.map((sentence) => element("p", { class: "soft" }, sentence)));
}

/** How many days are shown, by the buttons of a section; what was not asked for yet is asked for when wanted. */
export class Range {
  #asked = 0;

  constructor(section, days, askMore, draw) {
    this.days = days;
    const buttons = [...section.querySelectorAll(".ranges button")];
    const press = () => {
      for (const button of buttons) button.setAttribute("aria-pressed", String(this.#is(button)));
    };
    for (const button of buttons) {
      button.addEventListener("click", () => {
        this.days = Number(button.dataset.days);
        press();
        if (this.days > this.#asked) askMore();
        else draw();
      });
    }
    press();
  }

  /** Return how many days to ask for, and remember them; `most` is what the server gives. */
  ask(most) {
    this.#asked = Math.max(this.days, this.#asked);
    return Math.min(most, this.#asked);
  }

  #is(button) {
    return Number(button.dataset.days) === this.days;
  }
}
