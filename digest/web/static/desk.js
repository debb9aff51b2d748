// What the desk's editor of profiles does on top where scripts run. Everything works without.
"use strict";

const QUIET = 1000; // milliseconds after the last change, before it is said aloud

// What the rules would find, with every key: asked for at once, one question at a time, the newest text next. Each part of
// an answer takes its place on the page, if it says anything new.
function tryWhileTyping(field) {
  const form = field.form;
  const said = document.getElementById("said");
  const silent = document.getElementById("silent");
  let shown = field.defaultValue; // the text that the page shows what it finds
  let asking = false;
  let saying = 0;

  async function ask() {
    if (asking) return;
    asking = true;
    try {
      while (field.value !== shown) {
        const asked = field.value;
        show(await answerTo(asked));
        shown = asked;
      }
      silent.hidden = true;
    } catch {
      silent.hidden = false; // what is shown stays
    }
    asking = false;
  }

  async function answerTo(text) {
    const written = new URLSearchParams(new FormData(form));
    written.set("rules", text);
    const answer = await fetch(field.dataset.preview, {
      method: "POST",
      headers: { "X-Fragment": "1", "Content-Type": "application/x-www-form-urlencoded" },
      body: written.toString(),
      redirect: "error", // the session is over
    });
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.text();
  }

  function show(answer) {
    const made = document.createElement("template");
    made.innerHTML = answer; // written and escaped by our own server
    for (const part of [...made.content.children]) {
      const old = document.getElementById(part.id);
      const isOpen = old.querySelector("details")?.open;
      if (isOpen) part.querySelector("details")?.setAttribute("open", "");
      if (!old.isEqualNode(part)) old.replaceWith(part);
    }
    align();
    const wrong = document.querySelector("#mistakes li") !== null;
    if (wrong) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
    clearTimeout(saying);
    saying = setTimeout(() => {
      said.textContent = document.getElementById("tally").innerText;
    }, QUIET);
  }

  // The marks stand behind the text.
  function align() {
    document.getElementById("marked").scrollTop = field.scrollTop;
  }

  // What is suggested for a line takes its place; the browser's undo takes it back.
  function use(button) {
    const lines = field.value.split("\n");
    const at = Number(button.value) - 1;
    const begin = lines.slice(0, at).join("\n").length + (at > 0 ? 1 : 0);
    field.focus();
    field.setSelectionRange(begin, begin + lines[at].length);
    document.execCommand("insertText", false, button.dataset.instead);
  }

  // Who goes elsewhere with something typed and not saved is asked by the browser whether they mean it.
  let isSent = false;
  form.addEventListener("submit", () => {
    isSent = true;
  });
  addEventListener("beforeunload", (event) => {
    if (!isSent && field.value !== field.defaultValue) event.preventDefault();
  });

  field.parentElement.classList.add("over");
  field.addEventListener("input", ask);
  field.addEventListener("scroll", align);
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-instead]");
    if (button === null || field.value !== shown) return; // the server finds out
    event.preventDefault();
    use(button);
  });
  ask(); // for what was typed before we were here
}

const rules = document.querySelector("textarea[data-preview]");
if (rules) tryWhileTyping(rules);
