// What pages do on top where scripts run. Everything works without.
"use strict";

const PAUSE = 250; // milliseconds after the last key, before we ask

// What keywords would have given, how many below them and which below the form: asked for while somebody types, and after
// each tick.
function previewOf(field) {
  const place = document.getElementById("preview");
  const said = document.getElementById("preview-said");
  const form = field.form;
  let shown = fields(field.defaultValue, (tick) => tick.defaultChecked); // what the page came with
  let timer = 0;
  let asking = new AbortController();

  function fields(rules, isTicked) {
    const days = form.querySelector("select[name=days]")?.value ?? field.dataset.days;
    const written = new URLSearchParams({ rules, days });
    for (const tick of form.querySelectorAll("input[name=profile]")) {
      if (isTicked(tick)) written.append("profile", tick.value);
    }
    return written.toString();
  }

  function typed() {
    return fields(field.value, (tick) => tick.checked);
  }

  async function ask() {
    const asked = typed();
    if (asked === shown) return;
    asking.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(field.dataset.preview, {
        method: "POST",
        headers: { "X-Fragment": "1", "Content-Type": "application/x-www-form-urlencoded" },
        body: asked,
        signal: asking.signal,
      });
      const part = answer.ok ? await answer.text() : null;
      if (part === null || asked !== typed()) return;
      show(part);
      shown = asked;
    } catch {
      // Overtaken, or no answer: what is shown stays.
    }
  }

  function show(part) {
    const made = document.createElement("template");
    made.innerHTML = part; // written and escaped by our own server
    const tally = made.content.querySelector(".tally");
    said.textContent = tally?.textContent.trim() ?? "";
    tally?.remove(); // said once
    const open = place.querySelector("details")?.open;
    place.replaceChildren(made.content);
    const days = place.querySelector("details");
    if (days && open) days.open = true;
  }

  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(ask, event.target === field ? PAUSE : 0);
  });
  ask(); // for what was typed before we were here
}

// The reader's own time zone, where they have chosen none.
function guessTimezone(field) {
  const before = field.value;
  const guess = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!guess) return;
  field.value = guess;
  if (field.value !== guess) field.value = before; // a list that does not know it
}

const keywords = document.querySelector("textarea[data-preview]");
if (keywords && document.getElementById("preview")) previewOf(keywords);
const timezone = document.getElementById("timezone");
if (timezone && "default" in timezone.dataset) guessTimezone(timezone);
