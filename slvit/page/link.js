// The address of the page follows the answer: ?example=cow.jpg&say=the+grass opens an example photo with any expression,
// and &closer=1 with a closer look.
// A click on the link copies it; opened in this window, it would take the visit's other answers away.
// Photos of the visitor's own are nowhere kept, so they have none. A Space lives in a frame of huggingface.co, whose
// address is set by a message.

slvit.link = (link) => {
  link.target = "_blank";
  link.addEventListener("click", (click) => {
    click.preventDefault();
    const copying = navigator.clipboard?.writeText(link.href) ?? Promise.reject(); // there is none without https
    copying.then(() => { link.textContent = slvit.t("link_copied"); }, () => window.open(link.href, "_blank"));
  });
  slvit.follow(link, () => {
    const answer = slvit.shown.answer;
    if (!answer) return;
    const query = new URLSearchParams([...new URLSearchParams(location.search)].filter(([key]) => key.startsWith("__")));
    if (answer.example) {
      query.set("example", answer.example);
      query.set("say", answer.expression);
      if (answer.closer) query.set("closer", "1");
    }
    history.replaceState(null, "", `?${query}`);
    if (window.parent !== window) window.parent.postMessage({ queryString: query.toString() }, "https://huggingface.co");
    link.hidden = !answer.example;
    link.textContent = slvit.t("link");
    link.href = location.href;
  }, { first: true }); // with the mask: an address copied at once is that of the answer on the screen
};
