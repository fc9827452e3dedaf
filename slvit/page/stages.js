// Tab "Stages": for each stage the maps before and after URCE in one scale, and the change in its own.
// One zoom for all twelve pictures: they show the same piece of the photo.

slvit.stages = (element, trigger, event) => {
  const { t, make, slider, choice } = slvit;
  const root = element.querySelector(".slvit-stages");
  const state = { opacity: 0.7, outlines: true, summary: "mean", channel: [], zoom: 1, centre: [0.5, 0.5], answer: null };
  let boards = [];

  function part() {
    const half = 0.5 / state.zoom;
    const [x, y] = state.centre.map((share) => Math.min(1 - half, Math.max(half, share)));
    state.centre = [x, y];
    return [x - half, y - half, x + half, y + half];
  }

  function paint() {
    const seen = part();
    const { patches } = slvit.insidesNow().uncertainty;
    for (const { board, map, before, frame } of boards) {
      slvit.heat(board, map, { opacity: state.opacity, part: seen, rewritten: before && { before, patches } });
      frame.classList.toggle("outlined", state.outlines);
      frame.classList.toggle("zoomed", state.zoom > 1);
      frame.querySelectorAll(".cell").forEach((cell, at) => {
        cell.style.cssText = slvit.place(patches[at].box, seen);
      });
    }
  }

  // The three maps of a stage in the chosen summary.
  function maps(insides, at) {
    const stage = insides.stages[at];
    if (state.summary === "components") return { ...stage.components, change: stage.change };
    if (state.summary === "channel" && slvit.channelsOf.has(insides.answer)) return slvit.oneChannel(insides, at, state.channel[at]);
    return stage;
  }

  // What stands around the rewritten patches: after URCE the same as before it, and no change.
  function around({ before, change }, key) {
    const nothing = { h: change.h, w: change.w, levels: new Uint8Array(change.h * change.w) };
    return { before: null, after: before, change: nothing }[key];
  }

  function zoomTo(zoom, centre = state.centre) {
    Object.assign(state, { zoom: Math.min(8, Math.max(1, zoom)), centre });
    const input = root.querySelector('input[name="zoom"]');
    input.value = state.zoom;
    input.parentNode.querySelector("output").textContent = `${state.zoom.toFixed(1)}×`;
    paint();
  }

  // Drag to move, double click to come closer, arrows and + - from the keyboard.
  function movable(frame) {
    let from = null;
    const at = (pointer) => {
      const { left, top, width, height } = frame.getBoundingClientRect();
      return [(pointer.clientX - left) / width, (pointer.clientY - top) / height];
    };
    frame.addEventListener("pointerdown", (pointer) => {
      if (state.zoom === 1) return;
      from = { point: at(pointer), centre: state.centre };
      frame.setPointerCapture(pointer.pointerId);
    });
    frame.addEventListener("pointermove", (pointer) => {
      if (!from) return;
      const now = at(pointer);
      state.centre = from.centre.map((share, axis) => share - (now[axis] - from.point[axis]) / state.zoom);
      paint();
    });
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => { from = null; });
    frame.addEventListener("dblclick", (click) => {
      const [left, top, right, bottom] = part(), [x, y] = at(click);
      zoomTo(state.zoom * 2, [left + x * (right - left), top + y * (bottom - top)]);
    });
    frame.addEventListener("keydown", (key) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key.key];
      const scale = { "+": 1.5, "-": 1 / 1.5 }[key.key];
      if (!step && !scale) return;
      key.preventDefault();
      zoomTo(state.zoom * (scale ?? 1), state.centre.map((share, axis) => share + (step ? step[axis] / 8 / state.zoom : 0)));
    });
  }

  function redraw() {
    const insides = slvit.insidesNow();
    if (!insides) return slvit.waiting(root);
    if (state.answer !== insides.answer)
      Object.assign(state, { answer: insides.answer, channel: insides.stages.map((stage) => stage.most_changed) });
    boards = [];
    const outline = make("input", {
      type: "checkbox", name: "outlines", checked: state.outlines,
      onchange: () => { state.outlines = outline.checked; paint(); },
    });
    const grid = make("div.pairs", {});
    insides.stages.forEach((stage, at) => {
      const { h, w } = stage.before;
      const head = make("h3", {}, `${t("stage")} ${at + 1}`, make("small", {}, ` ${w} × ${h}, ${stage.channels} ${t("channels")}`));
      grid.append(state.summary === "channel" ? make("div.headed", {}, head, channelSlider(stage, at)) : head);
      const row = make("div.row", { "data-stage": at + 1 });
      const drawn = maps(insides, at);
      for (const key of ["before", "after", "change"]) {
        const board = make("canvas", { role: "img", "aria-label": `${t("stage")} ${at + 1}, ${t(key)}, ${t(`summary_${state.summary}`)}` });
        const frame = make("div.frame.movable", { tabindex: 0, role: "group", "aria-label": `F${at + 1} ${t(key)}: ${t("zoom_keys")}` }, board);
        movable(frame);
        if (key !== "before")
          for (const _ of insides.uncertainty.patches) frame.append(make("i.cell", {}));
        boards.push({ board, map: drawn[key], before: around(drawn, key), frame, at, key });
        const bar = drawn[key].colours ? make("p.bar", {}, t("components_bar")) : slvit.bar(drawn[key]);
        row.append(make("figure", {}, frame, make("figcaption", {}, `F${at + 1} ${t(key)}`), bar));
      }
      grid.append(row);
    });
    slvit.replace(root,
      make("p.say", {}, t("stages_say")),
      make("div.sliders", {},
        choice(t("summary"), ["mean", "components", "channel"].map((key) => [key, t(`summary_${key}`)]), state.summary, summarise),
        slider(t("map_opacity"), "map-opacity", { value: state.opacity, change: (v) => { state.opacity = v; paint(); } }),
        slider(t("zoom"), "zoom", { min: 1, max: 8, step: 0.1, value: state.zoom, show: (v) => `${v.toFixed(1)}×`, change: (v) => zoomTo(v) }),
        make("label.tick", {}, outline, t("outlines"))),
      grid,
      make("p.scale", {}, t(`stages_scale_${state.summary}`)),
    );
    paint();
  }

  function summarise(key) {
    state.summary = key;
    if (key === "channel" && !slvit.channelsOf.has(state.answer)) trigger(event, { answer: state.answer });
    redraw();
  }

  function channelSlider(stage, at) {
    return slider(t("channel"), `channel-${at + 1}`, {
      min: 1, max: stage.channels, step: 1, value: state.channel[at] + 1, show: (v) => `${v} ${t("of")} ${stage.channels}`,
      change: (v) => {
        state.channel[at] = v - 1;
        const drawn = maps(slvit.insidesNow(), at);
        for (const entry of boards)
          if (entry.at === at) {
            entry.map = drawn[entry.key];
            entry.before = around(drawn, entry.key);
            entry.frame.parentNode.querySelector(".bar").replaceWith(slvit.bar(entry.map));
          }
        paint();
      },
    });
  }

  slvit.follow(element, redraw);
};

// One channel of a stage: before from its bytes, after from the same bytes with the rewritten patches set in.
slvit.oneChannel = (insides, at, number) => {
  const { before: { h, w }, channels } = insides.stages[at];
  const packed = slvit.channelsOf.get(insides.answer)[at];
  packed.all ??= slvit.bytes(packed.before);
  packed.rewritten ??= slvit.bytes(packed.patches);
  const before = packed.all.slice(number * h * w, (number + 1) * h * w), after = before.slice();
  const side = w / insides.uncertainty.map.w;
  insides.uncertainty.patches.forEach(({ box }, patch) => {
    const left = Math.round(box[0] * w), top = Math.round(box[1] * h);
    const start = (patch * channels + number) * side * side;
    for (let row = 0; row < side; row += 1)
      after.set(packed.rewritten.subarray(start + row * side, start + (row + 1) * side), (top + row) * w + left);
  });
  const low = packed.low[number], high = packed.high[number];
  const change = after.map((level, position) => Math.abs(level - before[position]));
  const map = (levels, from, to) => ({ h, w, low: from, high: to, levels });
  return { before: map(before, low, high), after: map(after, low, high), change: map(change, 0, high - low) };
};
