// What pages do beyond what they do without this file: forms that choose send themselves, and a
// page that is live shows what is new.
"use strict";

for (const form of document.querySelectorAll("form[data-auto]")) {
  form.querySelector("button").hidden = form.classList.contains("tenant");
  form.addEventListener("change", () => form.requestSubmit());
}

const source = document.body.dataset.live;
if (source) {
  const figures = document.getElementById("figures");
  const show = (html) => {
    const open = [...figures.querySelectorAll("details[open]")].map((d) => d.id);
    const stops = () => [...figures.querySelectorAll("a, summary, [tabindex]")];
    const focused = stops().indexOf(document.activeElement);
    const scrolled = [...figures.querySelectorAll(".scroll")].map((e) => e.scrollLeft);
    figures.innerHTML = html;
    for (const id of open) {
      const details = document.getElementById(id);
      if (details) details.open = true;
    }
    [...figures.querySelectorAll(".scroll")].forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
    if (focused >= 0) stops()[focused]?.focus({ preventScroll: true });
    live(true);
  };
  const live = (is) => { for (const mark of document.querySelectorAll(".live")) mark.hidden = !is; };
  let events, again;
  const watch = () => {
    events = new EventSource(source);
    events.addEventListener("open", () => live(true));
    events.addEventListener("figures", (event) => show(event.data));
    events.addEventListener("error", () => {
      live(false);
      // A browser gives up where it is answered with an error, such as that of a proxy while the console starts anew.
      if (events.readyState === EventSource.CLOSED) again = setTimeout(watch, 4000 + Math.random() * 4000);
    });
  };
  watch();
  // A page that is not seen asks for nothing.
  addEventListener("pagehide", () => { clearTimeout(again); events.close(); });
}
