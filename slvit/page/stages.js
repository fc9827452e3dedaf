// Tab "Stages": for each stage the maps before and after URCE in one scale, and the change in its own.

slvit.stages = (element) => {
  const { t, make, slider } = slvit;
  const root = element.querySelector(".slvit-stages");
  const state = { opacity: 0.7, outlines: true };
  let boards = [];

  function paint() {
    for (const { board, map, frame } of boards) {
      slvit.heat(board, map, { opacity: state.opacity });
      frame.classList.toggle("outlined", state.outlines);
    }
  }

  function redraw() {
    const insides = slvit.insidesNow();
    if (!insides) return slvit.waiting(root);
    boards = [];
    const outline = make("input", {
      type: "checkbox", name: "outlines", checked: state.outlines,
      onchange: () => { state.outlines = outline.checked; paint(); },
    });
    const grid = make("div.pairs", {});
    insides.stages.forEach((stage, at) => {
      const { h, w } = stage.before;
      grid.append(make("h3", {}, `${t("stage")} ${at + 1}`, make("small", {}, ` ${w} × ${h}, ${stage.channels} ${t("channels")}`)));
      const row = make("div.row", {});
      for (const key of ["before", "after", "change"]) {
        const board = make("canvas", { role: "img", "aria-label": `${t("stage")} ${at + 1}, ${t(key)}` });
        const frame = make("div.frame", {}, board);
        if (key !== "before")
          for (const { box } of insides.uncertainty.patches)
            frame.append(make("i.cell", { style: place(box) }));
        boards.push({ board, map: stage[key], frame });
        row.append(make("figure", {}, frame, make("figcaption", {}, `F${at + 1} ${t(key)}`), slvit.bar(stage[key])));
      }
      grid.append(row);
    });
    root.replaceChildren(
      make("p.say", {}, t("stages_say")),
      make("div.sliders", {},
        slider(t("map_opacity"), "map-opacity", { value: state.opacity, change: (v) => { state.opacity = v; paint(); } }),
        make("label.tick", {}, outline, t("outlines"))),
      grid,
      make("p.scale", {}, t("stages_scale")),
    );
    paint();
  }

  const place = ([left, top, right, bottom]) =>
    `left:${left * 100}%;top:${top * 100}%;width:${(right - left) * 100}%;height:${(bottom - top) * 100}%`;

  slvit.follow(element, redraw);
};
