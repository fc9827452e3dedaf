// Tab "Words": the expression as buttons; the chosen word's scores at the chosen stage over the photo.

slvit.words = (element) => {
  const { t, make, slider, choice } = slvit;
  const root = element.querySelector(".slvit-words");
  const state = { word: null, stage: 3, opacity: 0.65, answer: null };

  function redraw() {
    const insides = slvit.insidesNow();
    if (!insides) return slvit.waiting(root);
    const words = insides.words;
    if (state.answer !== insides.answer) {
      // The word that tells most: the longest of those that were written by the visitor.
      const own = words.map((entry, at) => [entry.word, at]).filter(([word]) => !/^\[.*\]$/.test(word));
      const longest = own.reduce((best, entry) => (entry[0].length > best[0].length ? entry : best), own[0] ?? ["", 0]);
      Object.assign(state, { answer: insides.answer, word: longest[1] });
    }
    const board = make("canvas", { role: "img", "aria-label": "" });
    const scale = make("div", {});
    const row = make("div.wordrow", { role: "group", "aria-label": t("tab_words") });
    const paint = () => {
      const { word, maps } = words[state.word];
      slvit.heat(board, maps[state.stage], { opacity: state.opacity, width: 960 });
      board.setAttribute("aria-label", `${word}, ${t("stage")} ${state.stage + 1}`);
      scale.replaceChildren(slvit.bar(maps[state.stage]));
      row.querySelectorAll("button").forEach((button, at) => button.setAttribute("aria-pressed", String(at === state.word)));
    };
    words.forEach(({ word }, at) => row.append(make(/^\[.*\]$/.test(word) ? "button.special" : "button", {
      type: "button", "data-word": word, onclick: () => { state.word = at; paint(); },
    }, word)));
    root.replaceChildren(
      make("p.say", {}, t("words_say")),
      row,
      make("div.sliders", {},
        choice(t("stage"), [0, 1, 2, 3].map((at) => [at, `${t("stage")} ${at + 1}`]), state.stage, (at) => { state.stage = at; paint(); }),
        slider(t("map_opacity"), "map-opacity", { value: state.opacity, change: (v) => { state.opacity = v; paint(); } })),
      make("figure.wide", {}, make("div.frame", {}, board), scale),
      make("p.scale", {}, t("words_scale")),
    );
    paint();
  }

  slvit.follow(element, redraw);
};
