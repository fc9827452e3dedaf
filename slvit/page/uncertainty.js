// Tab "Uncertainty": map_U, the K patches as buttons over it, and the chosen patch at every scale.

slvit.uncertainty = (element) => {
  const { t, make, slider } = slvit;
  const root = element.querySelector(".slvit-uncertainty");
  const state = { opacity: 0.6, show: 0, chosen: 0, answer: null };
  const sides = [8, 4, 2, 1]; // positions of one patch at stages 1 to 4

  function redraw() {
    const insides = slvit.insidesNow();
    if (!insides) return slvit.waiting(root);
    const { map, patches } = insides.uncertainty;
    if (state.answer !== insides.answer) Object.assign(state, { answer: insides.answer, show: patches.length, chosen: 0 });
    const board = make("canvas", { role: "img", "aria-label": t("uncertainty_say") });
    const frame = make("div.frame", {}, board);
    const detail = make("div.detail", { "aria-live": "polite" });
    const looks = make("div.looks", {});
    const paint = () => slvit.heat(board, map, { opacity: state.opacity, width: 960 });

    patches.forEach((patch, at) => {
      frame.append(make("button.patch", {
        type: "button", "data-rank": at + 1, "aria-label": `${t("patch")} ${at + 1} ${t("of")} ${patches.length}`,
        style: slvit.place(patch.box),
        onclick: () => { state.chosen = at; choose(); },
      }, String(at + 1)));
    });
    const choose = () => {
      frame.querySelectorAll(".patch").forEach((button, at) => {
        button.hidden = at >= state.show;
        button.setAttribute("aria-pressed", String(at === state.chosen));
      });
      tell(detail, looks, insides, state.chosen);
    };
    slvit.replace(root,
      make("p.say", {}, t("uncertainty_say")),
      make("div.sliders", {},
        slider(t("show_patches"), "patches", {
          min: 1, max: patches.length, step: 1, value: state.show, show: (v) => `${v} ${t("of")} ${patches.length}`,
          change: (v) => { state.show = v; if (state.chosen >= v) state.chosen = 0; choose(); },
        }),
        slider(t("map_opacity"), "map-opacity", { value: state.opacity, change: (v) => { state.opacity = v; paint(); } })),
      make("div.beside", {},
        make("div.map", {}, make("figure", {}, frame, slvit.bar(map)), make("p.scale", {}, t("uncertainty_scale"))),
        detail, looks),
    );
    paint();
    choose();
  }

  function tell(detail, looks, insides, at) {
    const { patches } = insides.uncertainty;
    const patch = patches[at];
    const [left, top, right, bottom] = patch.box;
    const photo = slvit.canvas(1, 1);
    const crop = slvit.shown.photo;
    photo.width = Math.max(1, Math.round((right - left) * crop.width));
    photo.height = Math.max(1, Math.round((bottom - top) * crop.height));
    photo.getContext("2d").putImageData(crop, -Math.round(left * crop.width), -Math.round(top * crop.height));
    photo.setAttribute("role", "img");
    photo.setAttribute("aria-label", `${t("patch")} ${at + 1}`);

    const scales = make("div.scales", {});
    insides.stages.forEach((stage, number) => {
      const side = sides[number];
      const pair = make("div.pair", {});
      for (const key of ["before", "after"]) {
        const board = make("canvas", { role: "img", "aria-label": `F${number + 1} ${t(key)}` });
        slvit.heat(board, stage[key], { smooth: false, part: patch.box, width: 96, photo: false });
        pair.append(board);
      }
      scales.append(make("figure", {}, pair, make("figcaption", {}, `F${number + 1} · ${side} × ${side}`)));
    });
    detail.replaceChildren(
      make("h3", {}, `${t("patch")} ${at + 1} ${t("of")} ${patches.length}`),
      make("p", {}, `${t("disagreement")} ${slvit.number(patch.value)}`),
      photo,
      make("p.scale", {}, t("patch_say")),
      scales,
    );
    let attention = null;
    if (patch.attention) {
      const board = make("canvas", { role: "img", "aria-label": t("attention_say") });
      board.width = board.height = 340;
      const context = board.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(slvit.tinted(patch.attention), 0, 0, 340, 340);
      context.fillStyle = "rgba(255,255,255,.55)";
      for (const border of [64, 80, 84]) {
        context.fillRect((border / 85) * 340, 0, 1, 340);
        context.fillRect(0, (border / 85) * 340, 340, 1);
      }
      attention = make("div", {}, make("h4", {}, t("attention")), make("figure", {}, board, slvit.bar(patch.attention)), make("p.scale", {}, t("attention_say")));
    }
    const everywhere = make("div.fourfold", {});
    insides.stages.forEach((stage, number) => {
      const board = make("canvas", { role: "img", "aria-label": `F${number + 1} ${t("after")}, ${t("patch")} ${at + 1}` });
      slvit.heat(board, stage.after, { width: 320, smooth: false });
      everywhere.append(make("figure", {}, make("div.frame", {}, board, make("i.cell", { style: slvit.place(patch.box) })),
        make("figcaption", {}, `F${number + 1} · ${sides[number] ** 2} ${t("of")} 85`)));
    });
    looks.replaceChildren(make("div", {}, make("h4", {}, t("everywhere")), everywhere), attention ?? "");
  }

  slvit.follow(element, redraw);
};
