// What all tabs share: the texts, the answer that is shown, and drawing a map over the photo.
// slvitTexts and slvitSentences (by language) and slvitColours (the colour map, 256×3 bytes in base64) are written before this script.

window.slvit = (() => {
  const language = (navigator.language || "en").slice(0, 2).toLowerCase();
  const texts = { ...slvitTexts.en, ...slvitTexts[language] };
  const t = (key) => texts[key] ?? key;
  document.documentElement.lang = slvitTexts[language] ? language : "en"; // what screen readers pronounce

  const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const colours = bytes(slvitColours);

  // The answer shown now. Tabs register a redraw and are called when it, or its insides, change.
  const shown = { answer: null, photo: null, grey: null, insides: null, threshold: 0.5 };
  const views = new Set();
  const publish = (chosen = () => true) => {
    for (const view of [...views].filter(chosen)) view.element.isConnected ? view.redraw() : views.delete(view);
  };
  // first: drawn with the mask. masks: shows the mask at the visitor's threshold, so drawn again when that has moved.
  const follow = (element, redraw, { first = false, masks = false } = {}) => {
    views.add({ element, redraw, first, masks });
    redraw();
  };
  const thresholdMoved = () => publish((view) => view.masks);

  const picture = (address) =>
    new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = reject;
      image.src = address;
    });

  const canvas = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

  const pixels = (image) => {
    const board = canvas(image.naturalWidth, image.naturalHeight).getContext("2d", { willReadFrequently: true });
    board.drawImage(image, 0, 0);
    return board.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
  };

  // A pixel is meant where its level (0..255) is at least this; so the server rounds (result.py).
  const least = (threshold) => threshold * 255 + 0.5;

  // The photo that is shown, and of what is not meant only `opacity` (0..255).
  function faded(opacity) {
    const { photo, levels } = shown;
    const image = new ImageData(new Uint8ClampedArray(photo.data), photo.width, photo.height);
    const from = least(shown.threshold);
    levels.forEach((level, at) => { if (level < from) image.data[at * 4 + 3] = opacity; });
    const board = canvas(photo.width, photo.height);
    board.getContext("2d").putImageData(image, 0, 0);
    return board;
  }

  const greyed = (image) => {
    const data = pixels(image);
    for (let at = 0; at < data.data.length; at += 4) {
      const grey = 0.299 * data.data[at] + 0.587 * data.data[at + 1] + 0.114 * data.data[at + 2];
      data.data[at] = data.data[at + 1] = data.data[at + 2] = grey;
    }
    const board = canvas(data.width, data.height);
    board.getContext("2d").putImageData(data, 0, 0);
    return board;
  };

  // The answers of this visit, unpacked, by name, and what of their insides has come. The server sends each once;
  // an answer that was here before comes as its name alone, and is on the screen at once.
  const kept = new Map();
  const mostKept = 10; // the server knows 8
  function answered(answer) {
    shown.arriving = draw(answer);
    return shown.arriving;
  }
  async function draw(answer) {
    const entry = kept.get(answer.answer) ?? (await unpacked(answer));
    kept.delete(answer.answer);
    kept.set(answer.answer, entry); // the youngest stands last
    if (kept.size > mostKept) kept.delete(kept.keys().next().value);
    Object.assign(shown, entry);
    document.body.style.setProperty("--aspect", entry.photo.width / entry.photo.height); // style.css keeps tall photos on the screen
    publish((view) => view.first); // the mask is on the screen before the tabs, which take longer, are drawn
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    publish((view) => !view.first);
  }
  async function unpacked(answer) {
    const [photo, probability] = await Promise.all([picture(answer.photo), picture(answer.probability)]);
    const levels = pixels(probability).data.filter((_, at) => at % 4 === 0);
    return { answer, photo: pixels(photo), grey: greyed(photo), levels, insides: null };
  }

  // Hidden carrier of what the tabs show: it arrives after the mask, and may belong to an answer no longer shown.
  function insides(props, watch) {
    const take = async () => {
      if (!props.value) return;
      await shown.arriving; // the mask is on the screen before anything is said of it
      await new Promise(requestAnimationFrame);
      const entry = kept.get(props.value.answer);
      if (!entry || entry.insides) return;
      entry.insides = props.value;
      if (shown.answer.answer === props.value.answer) shown.insides = props.value;
      publish();
    };
    watch("value", take);
    take();
  }
  // Every channel of the shown answer: fetched only when someone looks at one.
  const channelsOf = new Map(); // by answer
  function channels(props, watch) {
    watch("value", () => {
      if (!props.value) return;
      channelsOf.set(props.value.answer, props.value.channels);
      publish();
    });
  }
  const insidesNow = () => shown.insides;

  // One map in colours, h×w, as a canvas of its own size: of levels, or of colours as they are.
  function tinted(map) {
    if (!map.tinted) {
      const levels = (map.levels ??= map.colours ? bytes(map.colours).filter((_, at) => at % 3 === 0) : bytes(map.data));
      const rgb = map.colours && bytes(map.colours);
      map.tinted = canvas(map.w, map.h);
      const context = map.tinted.getContext("2d");
      const image = context.createImageData(map.w, map.h);
      levels.forEach((level, at) => {
        image.data.set(rgb ? rgb.subarray(at * 3, at * 3 + 3) : colours.subarray(level * 3, level * 3 + 3), at * 4);
        image.data[at * 4 + 3] = 255;
      });
      context.putImageData(image, 0, 0);
    }
    return map.tinted;
  }

  // A map over the grey photo. part: [left, top, right, bottom] in shares, to show a piece of both only.
  // rewritten: { before, patches }: the map shows in the patches alone, and around them `before`, to the pixel as where
  // that is drawn by itself; smoothing would carry a patch's values into its neighbours, which URCE leaves as they are.
  function heat(board, map, { opacity = 0.65, smooth = true, part = [0, 0, 1, 1], width = 480, photo = true, rewritten = null } = {}) {
    const [left, top, right, bottom] = part;
    const { grey } = shown;
    const w = (right - left) * grey.width, h = (bottom - top) * grey.height;
    board.width = width;
    board.height = Math.max(1, Math.round((width * h) / w));
    const context = board.getContext("2d");
    if (photo) {
      context.imageSmoothingEnabled = true;
      context.drawImage(grey, left * grey.width, top * grey.height, w, h, 0, 0, board.width, board.height);
      context.globalAlpha = opacity;
    }
    context.imageSmoothingEnabled = smooth;
    context.imageSmoothingQuality = "high";
    const lay = (one) => context.drawImage(
      tinted(one), left * one.w, top * one.h, (right - left) * one.w, (bottom - top) * one.h, 0, 0, board.width, board.height,
    );
    if (rewritten) {
      const across = (share) => Math.round(((share - left) / (right - left)) * board.width);
      const down = (share) => Math.round(((share - top) / (bottom - top)) * board.height);
      const cells = new Path2D(), around = new Path2D();
      for (const { box: [x, y, x2, y2] } of rewritten.patches) cells.rect(across(x), down(y), across(x2) - across(x), down(y2) - down(y));
      around.rect(0, 0, board.width, board.height);
      around.addPath(cells);
      for (const [where, one] of [[around, rewritten.before], [cells, map]]) {
        context.save();
        context.clip(where, "evenodd"); // no two patches overlap: what is in one is not around them
        lay(one);
        context.restore();
      }
    } else lay(map);
    context.globalAlpha = 1;
  }

  const number = (value) => Number(value.toPrecision(3)).toString();
  const gradient = (() => {
    const stops = [];
    for (let step = 0; step <= 16; step += 1) {
      const at = Math.min(255, step * 16) * 3;
      stops.push(`rgb(${colours[at]},${colours[at + 1]},${colours[at + 2]})`);
    }
    return `linear-gradient(90deg, ${stops.join(",")})`;
  })();

  // Elements from a short description: make("button.name", {title: "…"}, "text", child, …).
  function make(tag, attributes = {}, ...children) {
    const [name, ...classes] = tag.split(".");
    const node = document.createElement(name);
    if (classes.length) node.className = classes.join(" ");
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  const bar = (map) =>
    make("div.bar", {}, make("i", { style: `background:${gradient}` }),
      make("span", {}, number(map.low)), make("span", {}, number(map.high)));

  function slider(label, name, { min = 0, max = 1, step = 0.01, value, show = (v) => v.toFixed(2), change }) {
    const output = make("output", {}, show(value));
    const input = make("input", {
      type: "range", min, max, step, value, name,
      oninput: () => {
        output.textContent = show(Number(input.value));
        change(Number(input.value));
      },
    });
    const row = make("label.slide", {}, make("span", {}, label), input, output);
    row.input = input;
    return row;
  }

  function choice(label, entries, chosen, change) {
    const group = make("div.choice", { role: "group", "aria-label": label });
    for (const [key, name] of entries) {
      const button = make("button", {
        type: "button", "data-key": key, "aria-pressed": String(key === chosen),
        onclick: () => {
          group.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
          change(key);
        },
      }, name);
      group.append(button);
    }
    return group;
  }

  // New children in place of the old, and the keyboard where it was.
  function replace(root, ...children) {
    const there = root.contains(document.activeElement) ? document.activeElement : null;
    const name = there && ["id", "name", "data-key", "aria-label"].find((attribute) => there.hasAttribute(attribute));
    root.replaceChildren(...children);
    if (name) root.querySelector(`[${name}="${CSS.escape(there.getAttribute(name))}"]`)?.focus({ preventScroll: true });
  }

  const waiting = (element) =>
    element.replaceChildren(make("p.empty", {}, t(shown.answer ? "loading_insides" : "waiting_insides")));

  // A sentence of the server in the visitor's language: one of the page's texts, or an error, in whose English pattern
  // each # is a value. What is not known stays as it is.
  const known = Object.entries(slvitSentences[language] ?? {}).sort(([one], [other]) => other.length - one.length);
  const patterns = known.map(([english, own]) => { // the longest first: "#" alone would take in all that a longer one says
    const parts = english.split("#").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return [new RegExp(`^${parts.join("(.+)")}$`, "s"), own];
  });
  function said(sentence) {
    const key = Object.keys(slvitTexts.en).find((one) => slvitTexts.en[one] === sentence);
    if (key) return t(key);
    for (const [pattern, own] of patterns) {
      const values = sentence.match(pattern)?.slice(1);
      if (values) return own.replaceAll("#", () => said(values.shift()));
    }
    return sentence;
  }
  // Texts written by the server: those that carry data-text, and notices.
  function translate(root) {
    root.querySelectorAll("[data-text]").forEach((node) => { node.textContent = t(node.dataset.text); });
    root.querySelectorAll(".notice").forEach((node) => { node.textContent = said(node.textContent); });
  }

  function header(element) {
    translate(element);
    const button = element.querySelector(".theme");
    button.title = t("theme");
    button.setAttribute("aria-label", t("theme"));
    button.addEventListener("click", () => document.body.classList.toggle("dark"));
  }

  // Where a box stands (left, top, right, bottom in shares) within a part of the photo, as CSS.
  function place([left, top, right, bottom], [x, y, x2, y2] = [0, 0, 1, 1]) {
    const share = (from, to, start, end) => [(from - start) / (end - start), (to - from) / (end - start)].map((v) => `${v * 100}%`);
    const [across, width] = share(left, right, x, x2), [down, height] = share(top, bottom, y, y2);
    return `left:${across};top:${down};width:${width};height:${height}`;
  }

  // What stands in a notice while an answer is on its way, and when the line of those who ask was full.
  const working = () => `<p class="notice working" role="status">${t("working")}</p>`;
  const busy = () => `<p class="notice error" role="alert">${t("busy")}</p>`;

  return {
    t, language, shown, follow, answered, insides, insidesNow, channels, channelsOf, heat, tinted, bytes, colours, number, gradient, least, faded,
    make, bar, slider, choice, replace, waiting, said, translate, header, canvas, picture, pixels, place, working, busy, thresholdMoved,
  };
})();
