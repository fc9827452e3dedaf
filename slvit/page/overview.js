// The data's way, step by step, with pictures of this answer; a click opens the tab that tells more.

slvit.overview = (element) => {
  const { t, make, shown } = slvit;
  const root = element.querySelector(".slvit-overview");
  const width = 220, height = 165;
  const equations = {
    read: "Q, K = θ(V), φ(L)  (3, 4)",
    features: "F = Conv1×1(V_local + V_strips + V_cross) ⊙ V  (2, 7)",
    correlations: "S = Qᵀ K,  R_i = Σ_words S_i  (5)",
    uncertainty: "map_U = Σ_i |Down(R_i) − Down(R_{i−1})|  (8)",
    patches: "index = top-K(map_U)  (9)",
    enhanced: "F̃ = x + MSA(LN(x)), x = [P_1 … P_4]  (10–12)",
    mask: "mask = Hamburger(F̃_1 … F̃_4)  (13)",
  };
  const tabs = { features: "stages", correlations: "words", uncertainty: "uncertainty", patches: "uncertainty", enhanced: "stages" };

  const boards = {};
  const strip = make("ol", {});
  for (const step of Object.keys(equations)) {
    boards[step] = Object.assign(make("canvas", { role: "img", "aria-label": t(`way_${step}`) }), { width, height });
    strip.append(make("li", { "data-step": step },
      make("button", { type: "button", "aria-label": t(`way_${step}`), onclick: () => open(step) }, boards[step]),
      make("h3", {}, t(`way_${step}`)),
      make("p", {}, t(`way_${step}_say`)),
      make("details", {}, make("summary", { "aria-label": t("equation") }, "?"), make("code", {}, equations[step])),
    ));
  }
  const told = make("p.say", {}, t("way_told"));
  root.append(make("h2", {}, t("way")), told, strip);

  function open(step) {
    const to = tabs[step];
    if (!to) return document.querySelector("#result .stage").scrollIntoView({ block: "center", behavior: "smooth" });
    const tab = document.querySelector(`#tabs [role=tab][data-tab-id="${to}"]`) ?? // or, where the row is too narrow, in Gradio's menu
      [...document.querySelectorAll("#tabs .overflow-dropdown button")].find((entry) => entry.textContent.trim() === t(`tab_${to}`));
    tab.click();
    document.querySelector("#tabs").scrollIntoView({ block: "start", behavior: "smooth" });
  }

  // What would the mask be without the second look? The new run of the model that the tab "Uncertainty" offers.
  async function tryWithout() {
    open("uncertainty");
    const wanted = () => document.querySelector("#rerun-button");
    while (!wanted()) await new Promise(requestAnimationFrame); // Gradio fills a tab when it is first opened
    document.querySelector("#rerun").scrollIntoView({ block: "start", behavior: "smooth" });
    wanted().click();
  }

  // Draws `from` into a part of a step's picture (in shares), filling it as a photo fills a frame.
  function fill(step, from, [x, y, w, h] = [0, 0, 1, 1], alpha = 1) {
    const context = boards[step].getContext("2d");
    const box = { x: x * width, y: y * height, w: w * width, h: h * height };
    const scale = Math.max(box.w / from.width, box.h / from.height);
    const cut = { w: box.w / scale, h: box.h / scale };
    context.globalAlpha = alpha;
    context.drawImage(from, (from.width - cut.w) / 2, (from.height - cut.h) / 2, cut.w, cut.h, box.x, box.y, box.w, box.h);
    context.globalAlpha = 1;
  }
  const quarters = [[0, 0], [0.5, 0], [0, 0.5], [0.5, 0.5]].map(([x, y]) => [x + 0.006, y + 0.008, 0.488, 0.484]);

  function heat(map, { opacity = 0.72, rewritten = null } = {}) {
    const board = slvit.canvas(1, 1);
    slvit.heat(board, map, { opacity, width: 240, rewritten });
    return board;
  }

  function redraw() {
    root.classList.toggle("none", !shown.answer);
    if (!shown.answer) return;
    const photo = slvit.canvas(shown.photo.width, shown.photo.height);
    photo.getContext("2d").putImageData(shown.photo, 0, 0);
    fill("read", photo);
    const mask = boards.mask.getContext("2d");
    mask.clearRect(0, 0, width, height);
    fill("mask", slvit.faded(46));

    const insides = slvit.insidesNow();
    if (!insides) return;
    const { stages, correlations, uncertainty } = insides;
    quarters.forEach((quarter, at) => {
      fill("features", heat(stages[at].before), quarter);
      fill("correlations", heat(correlations[at]), quarter);
      fill("enhanced", heat(stages[at].after, { rewritten: { before: stages[at].before, patches: uncertainty.patches } }), quarter);
    });
    const count = make("b", {}, `${uncertainty.patches.length} ${t("of")} ${uncertainty.map.w * uncertainty.map.h}`);
    const [before, after] = t("way_told_here").split("#");
    told.replaceChildren(t("way_told"), " ", before, count, after, " ", make("button.link", { type: "button", onclick: tryWithout }, t("way_without")));
    if (insides.looks.includes("+")) told.append(" ", t("way_looks").replace("#", insides.looks));
    const doubt = heat(uncertainty.map, { opacity: 0.6 });
    fill("uncertainty", doubt);
    const cells = slvit.canvas(doubt.width, doubt.height);
    const context = cells.getContext("2d");
    context.drawImage(shown.grey, 0, 0, cells.width, cells.height);
    for (const { box: [left, top, right, bottom] } of uncertainty.patches) {
      const cell = [left * cells.width, top * cells.height, (right - left) * cells.width, (bottom - top) * cells.height];
      context.drawImage(doubt, ...cell, ...cell);
      context.strokeStyle = "#fff";
      context.lineWidth = 2;
      context.strokeRect(...cell);
    }
    fill("patches", cells);
  }

  slvit.follow(element, redraw, { masks: true });
};
