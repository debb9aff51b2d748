// Live previews on public pages. Everything works without JavaScript, too.
"use strict";

const PAUSE = 250; // milliseconds after the last key before the preview is requested

// Previews keywords while they are typed and after each checkbox: the number of papers appears below the field, the
// papers below the form.
function previewOf(field) {
  const place = document.getElementById("preview");
  const said = document.getElementById("preview-said");
  const form = field.form;
  let shown = fields(field.defaultValue, (tick) => tick.defaultChecked); // what the page was loaded with
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
      // Superseded by a newer request, or no answer: the old preview stays.
    }
  }

  function show(part) {
    const made = document.createElement("template");
    made.innerHTML = part; // written and escaped by our own server
    const tally = made.content.querySelector(".tally");
    said.textContent = tally?.textContent.trim() ?? "";
    tally?.remove(); // shown once only
    const open = place.querySelector("details")?.open;
    place.replaceChildren(made.content);
    const days = place.querySelector("details");
    if (days && open) days.open = true;
  }

  form.addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(ask, event.target === field ? PAUSE : 0);
  });
  ask(); // for what was typed before this script ran
}

// Preselects the browser's time zone if the reader has not chosen one.
function guessTimezone(field) {
  const before = field.value;
  const guess = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!guess) return;
  field.value = guess;
  if (field.value !== guess) field.value = before; // the list does not contain it
}

const keywords = document.querySelector("textarea[data-preview]");
if (keywords && document.getElementById("preview")) previewOf(keywords);
const timezone = document.getElementById("timezone");
if (timezone && "default" in timezone.dataset) guessTimezone(timezone);
