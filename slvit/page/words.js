// Tab "Words": the expression as buttons; the chosen word's scores at the chosen stage over the photo.

slvit.words = (element) => {
  const { t, make, slider, choice } = slvit;
  const root = element.querySelector(".slvit-words");
  const state = { word: null, stage: 3, opacity: 0.65, answer: null, point: null };

  function redraw() {
    const insides = slvit.insidesNow();
    if (!insides) return slvit.waiting(root);
    const words = insides.words;
    if (state.answer !== insides.answer) {
      // The word that tells most: the longest of those that were written by the visitor.
      const own = words.map((entry, at) => [entry.word, at]).filter(([word]) => !/^\[.*\]$/.test(word));
      const longest = own.reduce((best, entry) => (entry[0].length > best[0].length ? entry : best), own[0] ?? ["", 0]);
      Object.assign(state, { answer: insides.answer, word: longest[1], point: null });
    }
    const board = make("canvas", { role: "img", "aria-label": "", tabindex: 0 });
    const mark = make("i.mark", { hidden: true });
    const scale = make("div", {});
    const row = make("div.wordrow", { role: "group", "aria-label": t("tab_words") });
    const paint = () => {
      const { word, maps } = words[state.word];
      slvit.heat(board, maps[state.stage], { opacity: state.opacity, width: 960 });
      board.setAttribute("aria-label", `${word}, ${t("stage")} ${state.stage + 1}`);
      scale.replaceChildren(slvit.bar(maps[state.stage]));
      row.querySelectorAll("button").forEach((button, at) => button.setAttribute("aria-pressed", String(at === state.word)));
    };
    // Under each word a bar: how high the word scores at the chosen place, within its own scale.
    const weigh = () => {
      mark.hidden = !state.point;
      if (!state.point) return;
      const [x, y] = state.point;
      mark.style.cssText = `left:${x * 100}%;top:${y * 100}%`;
      row.querySelectorAll("button").forEach((button, at) => {
        const map = words[at].maps[state.stage];
        slvit.tinted(map);
        const here = Math.min(map.h - 1, Math.floor(y * map.h)) * map.w + Math.min(map.w - 1, Math.floor(x * map.w));
        button.style.setProperty("--share", map.levels[here] / 255);
        button.classList.add("weighed");
      });
    };
    board.addEventListener("click", (click) => {
      const { left, top, width, height } = board.getBoundingClientRect();
      state.point = [(click.clientX - left) / width, (click.clientY - top) / height];
      weigh();
    });
    board.addEventListener("keydown", (key) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key.key];
      if (!step) return;
      key.preventDefault();
      const { w, h } = words[0].maps[state.stage];
      const [x, y] = state.point ?? [0.5, 0.5];
      state.point = [x + step[0] / w, y + step[1] / h].map((share) => Math.min(0.999, Math.max(0, share)));
      weigh();
    });
    words.forEach(({ word }, at) => row.append(make(/^\[.*\]$/.test(word) ? "button.special" : "button", {
      type: "button", "data-word": word, onclick: () => { state.word = at; paint(); },
    }, word)));
    root.replaceChildren(
      make("p.say", {}, t("words_say")),
      row,
      make("div.sliders", {},
        choice(t("stage"), [0, 1, 2, 3].map((at) => [at, `${t("stage")} ${at + 1}`]), state.stage, (at) => { state.stage = at; paint(); weigh(); }),
        slider(t("map_opacity"), "map-opacity", { value: state.opacity, change: (v) => { state.opacity = v; paint(); } })),
      make("figure.wide", {}, make("div.frame", {}, board, mark), scale),
      make("p.scale", {}, t("words_scale")),
    );
    paint();
    weigh();
  }

  slvit.follow(element, redraw);
};
