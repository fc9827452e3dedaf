// Tab "Compare": all masks on one photo, a colour for each, and beside each other; redrawn here at every slider move.

slvit.compare = (element, props, watch) => {
  const { t, make, slider } = slvit;
  const root = element.querySelector(".slvit-compare");
  const state = { opacity: 0.55, threshold: 0.5 };

  async function show() {
    if (!props.value) return root.replaceChildren(make("p.empty", {}, t("waiting_compare")));
    const { photo, answers } = props.value;
    const [picture, ...maps] = await Promise.all([photo, ...answers.map((answer) => answer.probability)].map(slvit.picture));
    const ground = slvit.pixels(picture);
    const levels = maps.map((map) => slvit.pixels(map).data.filter((_, at) => at % 4 === 0));
    const several = new Set(answers.map((answer) => answer.checkpoint)).size > 1;
    const names = answers.map(({ expression, checkpoint }) => (several ? `${expression} · ${checkpoint}` : expression));
    const colour = (at) => props.colours[at % props.colours.length];
    const all = board(names.join(", "));
    const each = names.map((name) => board(name));

    function board(name) {
      const canvas = make("canvas", { role: "img", "aria-label": name });
      Object.assign(canvas, { width: ground.width, height: ground.height });
      return canvas;
    }
    function draw() {
      const least = state.threshold * 255 + 0.5;
      const union = new Uint8ClampedArray(ground.data);
      each.forEach((canvas, at) => {
        const one = new Uint8ClampedArray(ground.data);
        for (let pixel = 0; pixel < levels[at].length; pixel += 1)
          if (levels[at][pixel] >= least)
            for (const out of [one, union])
              for (let channel = 0; channel < 3; channel += 1) {
                const here = pixel * 4 + channel;
                out[here] = out[here] * (1 - state.opacity) + colour(at)[channel] * state.opacity;
              }
        canvas.getContext("2d").putImageData(new ImageData(one, ground.width, ground.height), 0, 0);
      });
      all.getContext("2d").putImageData(new ImageData(union, ground.width, ground.height), 0, 0);
    }

    const tag = (at) => make("figcaption.tag", {},
      make("i", { style: `background: rgb(${colour(at)})` }), make("q", {}, names[at]),
      make("span", {}, answers[at].found ? `${Math.round(answers[at].confidence * 100)} %` : t("no_match")));
    root.replaceChildren(
      make("div.sliders", {},
        slider(t("opacity"), "compare-opacity", { value: state.opacity, change: (v) => { state.opacity = v; draw(); } }),
        slider(t("threshold"), "compare-threshold", {
          min: 0.02, max: 0.98, value: state.threshold, change: (v) => { state.threshold = v; draw(); },
        })),
      make("figure.wide", {}, make("div.frame", {}, all), make("div.legend", {}, ...names.map((_, at) => tag(at)))),
      make("div.each", {}, ...each.map((canvas, at) => make("figure", {}, make("div.frame", {}, canvas), tag(at)))),
    );
    draw();
  }

  watch("value", show);
  show();
};
