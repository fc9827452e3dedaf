// Tab "Compare": all masks on one photo, a colour for each, and beside each other; redrawn here at every slider move.
// With several checkpoints each expression is a row, its answers side by side, and how far they agree.

slvit.compare = (element, props, watch) => {
  const { t, make, slider } = slvit;
  const root = element.querySelector(".slvit-compare");
  const state = { opacity: 0.55, threshold: 0.5 };

  async function show() {
    if (!props.value || props.value.of !== slvit.photoNow) // of another photo than the one on the page
      return root.replaceChildren(make("p.empty", {}, t("waiting_compare")));
    const { photo, answers } = props.value;
    const [picture, ...maps] = await Promise.all([photo, ...answers.map((answer) => answer.probability)].map(slvit.picture));
    const ground = slvit.pixels(picture);
    const levels = maps.map((map) => slvit.pixels(map).data.filter((_, at) => at % 4 === 0));
    const checkpoints = [...new Set(answers.map((answer) => answer.checkpoint))];
    const expressions = [...new Set(answers.map((answer) => answer.expression))];
    const colour = (at) => props.colours[expressions.indexOf(answers[at].expression) % props.colours.length];
    const name = ({ expression, checkpoint }) => (checkpoints.length > 1 ? `${expression} · ${checkpoint}` : expression);
    // One overlay a checkpoint, and one picture an answer.
    const overlays = checkpoints.map((checkpoint) => board(`${expressions.join(", ")} · ${checkpoint}`));
    const each = answers.map((answer) => board(name(answer)));
    const agreements = expressions.map(() => make("p.agreement", {}));

    function board(label) {
      const canvas = make("canvas", { role: "img", "aria-label": label });
      Object.assign(canvas, { width: ground.width, height: ground.height });
      return canvas;
    }
    function draw() {
      const least = slvit.least(state.threshold);
      const unions = checkpoints.map(() => new Uint8ClampedArray(ground.data));
      each.forEach((canvas, at) => {
        const one = new Uint8ClampedArray(ground.data);
        const union = unions[checkpoints.indexOf(answers[at].checkpoint)];
        for (let pixel = 0; pixel < levels[at].length; pixel += 1)
          if (levels[at][pixel] >= least)
            for (const out of [one, union])
              for (let channel = 0; channel < 3; channel += 1) {
                const here = pixel * 4 + channel;
                out[here] = out[here] * (1 - state.opacity) + colour(at)[channel] * state.opacity;
              }
        put(canvas, one);
      });
      overlays.forEach((canvas, at) => put(canvas, unions[at]));
      expressions.forEach((expression, row) => agree(agreements[row], expression, least));
    }
    const put = (canvas, pixels) => canvas.getContext("2d").putImageData(new ImageData(pixels, ground.width, ground.height), 0, 0);

    // Intersection over union of the masks of the first and the last checkpoint.
    function agree(line, expression, least) {
      if (checkpoints.length < 2) return;
      const pair = answers.flatMap((answer, at) => (answer.expression === expression ? [levels[at]] : []));
      const [first, last] = [pair[0], pair.at(-1)];
      let both = 0, either = 0;
      first.forEach((level, at) => {
        const one = level >= least, other = last[at] >= least;
        both += one && other;
        either += one || other;
      });
      line.textContent = `${t("overlap")}: ${either ? Math.round((100 * both) / either) : 100} %`;
    }

    const sure = (answer) => (answer.found ? `${Math.round(answer.confidence * 100)} %` : t("no_match"));
    const tag = (kind, at, ...said) => make(`${kind}.tag`, {}, make("i", { style: `background: rgb(${colour(at)})` }), ...said);
    const quoted = (kind, at) => tag(kind, at, make("q", {}, answers[at].expression),
      checkpoints.length > 1 ? null : make("span", {}, sure(answers[at])));
    const first = expressions.map((expression) => answers.findIndex((answer) => answer.expression === expression));
    const pictures = checkpoints.length > 1
      ? expressions.map((expression, row) => make("section.versus", {},
        make("h3", {}, make("q", {}, expression)), agreements[row],
        make("div.each", { style: `--columns:${checkpoints.length}` }, ...answers.flatMap((answer, at) => (answer.expression === expression
          ? [make("figure", {}, make("div.frame", {}, each[at]), tag("figcaption", at, make("b", {}, answer.checkpoint), make("span", {}, sure(answer))))]
          : [])))))
      : [make("div.each", {}, ...each.map((canvas, at) => make("figure", {}, make("div.frame", {}, canvas), quoted("figcaption", at))))];
    root.replaceChildren(
      make("div.sliders", {},
        slider(t("opacity"), "compare-opacity", { value: state.opacity, change: (v) => { state.opacity = v; draw(); } }),
        slider(t("threshold"), "compare-threshold", {
          min: 0.02, max: 0.98, value: state.threshold, change: (v) => { state.threshold = v; draw(); },
        })),
      make(checkpoints.length > 1 ? "div.each" : "div.one", { style: `--columns:${checkpoints.length}` },
        ...overlays.map((canvas, at) => make("figure.wide", {}, make("div.frame", {}, canvas),
          checkpoints.length > 1 ? make("figcaption", {}, make("b", {}, checkpoints[at])) : null))),
      make("div.legend", {}, ...first.map((at) => quoted("div", at))),
      ...pictures,
    );
    draw();
  }

  watch("value", show);
  slvit.compareAgain = show;
  show();
};
