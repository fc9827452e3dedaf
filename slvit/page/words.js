// Tab "Words": the expression as buttons; the chosen word's scores at the chosen stage over the photo; and for the
// chosen place how much of its attention it gives to each word, at every stage.

slvit.words = (element) => {
  const { t, make, slider, choice } = slvit;
  const root = element.querySelector(".slvit-words");
  const state = { word: null, stage: 3, opacity: 0.65, answer: null, point: [0.5, 0.5] };
  const listed = 14; // words in the table of a place: those that speak loudest there
  const special = (word) => /^\[.*\]$/.test(word);

  // The most probable pixel, in shares of the photo.
  function mostProbable() {
    const { levels, photo } = slvit.shown;
    let best = 0;
    levels.forEach((level, at) => { if (level > levels[best]) best = at; });
    return [(best % photo.width + 0.5) / photo.width, (Math.floor(best / photo.width) + 0.5) / photo.height];
  }

  function redraw() {
    const insides = slvit.insidesNow();
    if (!insides) return slvit.waiting(root);
    const words = insides.words;
    if (state.answer !== insides.answer) {
      // The word that tells most: the longest of those that were written by the visitor.
      const own = words.map((entry, at) => [entry.word, at]).filter(([word]) => !special(word));
      const longest = own.reduce((best, entry) => (entry[0].length > best[0].length ? entry : best), own[0] ?? ["", 0]);
      Object.assign(state, { answer: insides.answer, word: longest[1], point: mostProbable() });
    }
    const board = make("canvas", { role: "img", "aria-label": "" });
    const mark = make("i.mark", {});
    const frame = make("div.frame.place", { tabindex: 0, role: "group", "aria-label": t("place_keys") }, board, mark);
    const scale = make("div", {});
    const row = make("div.wordrow", { role: "group", "aria-label": t("tab_words"), tabindex: 0 });
    const place = make("div.speakers", { "aria-live": "polite" });
    const paint = () => {
      const { word, maps } = words[state.word];
      slvit.heat(board, maps[state.stage], { opacity: state.opacity, width: 960 });
      board.setAttribute("aria-label", `${word}, ${t("stage")} ${state.stage + 1}`);
      scale.replaceChildren(slvit.bar(maps[state.stage]));
      row.querySelectorAll("button").forEach((button, at) => button.setAttribute("aria-pressed", String(at === state.word)));
      weigh();
    };

    function weigh() {
      const [x, y] = state.point;
      mark.style.cssText = `left:${x * 100}%;top:${y * 100}%`;
      const here = words.map((entry, number) => ({ number, word: entry.word, shares: entry.maps.map(({ w, h }, stage) => {
        entry.unpacked ??= [];
        entry.unpacked[stage] ??= slvit.bytes(entry.shares[stage]);
        return entry.unpacked[stage][Math.min(h - 1, Math.floor(y * h)) * w + Math.min(w - 1, Math.floor(x * w))] / 255;
      }) }));
      const loudest = [...here].sort((a, b) => Math.max(...b.shares) - Math.max(...a.shares)).slice(0, listed);
      const head = make("tr", {}, make("th", { scope: "col" }, t("word")), ...[0, 1, 2, 3].map((stage) =>
        make(stage === state.stage ? "th.now" : "th", { scope: "col" }, `F${stage + 1}`)));
      const lines = here.filter((entry) => loudest.includes(entry)).map(({ number, word, shares }) =>
        make("tr", {}, make(number === state.word ? "th.now" : "th", { scope: "row" }, word),
          ...shares.map((share) => make("td", { style: `--share:${share}` }, `${Math.round(share * 100)} %`))));
      place.replaceChildren(
        make("h3", {}, t("speaks")),
        make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines)),
        make("p.scale", {}, here.length > listed ? `${t("speaks_more")} ${here.length - listed}. ` : "", t("speaks_scale")),
      );
    }
    frame.addEventListener("click", (click) => {
      const { left, top, width, height } = board.getBoundingClientRect();
      state.point = [(click.clientX - left) / width, (click.clientY - top) / height];
      weigh();
    });
    frame.addEventListener("keydown", (key) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key.key];
      if (!step) return;
      key.preventDefault();
      const { w, h } = words[0].maps[state.stage], [x, y] = state.point;
      state.point = [x + step[0] / w, y + step[1] / h].map((share) => Math.min(0.999, Math.max(0, share)));
      weigh();
    });
    words.forEach(({ word }, at) => row.append(make(special(word) ? "button.special" : "button", {
      type: "button", "data-word": word, onclick: () => { state.word = at; paint(); },
    }, word)));
    slvit.replace(root,
      make("p.say", {}, t("words_say")),
      row,
      make("div.sliders", {},
        choice(t("stage"), [0, 1, 2, 3].map((at) => [at, `${t("stage")} ${at + 1}`]), state.stage, (at) => { state.stage = at; paint(); }),
        slider(t("map_opacity"), "map-opacity", { value: state.opacity, change: (v) => { state.opacity = v; paint(); } })),
      make("div.beside.spoken", {}, make("div.map", {}, make("figure", {}, frame, scale), make("p.scale", {}, t("words_scale"))), place),
    );
    paint();
  }

  slvit.follow(element, redraw);
};
