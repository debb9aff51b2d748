// Live preview in the profile editor. Everything works without JavaScript, too.
"use strict";

const QUIET = 1000; // milliseconds after the last change before screen readers are told

// Updates the preview after every key: one request at a time, always for the newest text. Only parts of the page that
// changed are replaced.
function tryWhileTyping(field) {
  const form = field.form;
  const said = document.getElementById("said");
  const silent = document.getElementById("silent");
  let shown = field.defaultValue; // the text whose preview is on the page
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
      silent.hidden = false; // the old preview stays
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
      redirect: "error", // the session has ended
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

  // Keeps the marked text aligned behind the text field.
  function align() {
    document.getElementById("marked").scrollTop = field.scrollTop;
  }

  // Replaces a line by its suggestion. The browser's undo reverts it.
  function use(button) {
    const lines = field.value.split("\n");
    const at = Number(button.value) - 1;
    const begin = lines.slice(0, at).join("\n").length + (at > 0 ? 1 : 0);
    field.focus();
    field.setSelectionRange(begin, begin + lines[at].length);
    document.execCommand("insertText", false, button.dataset.instead);
  }

  // Lets the browser ask before the page is left with unsaved changes.
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
    if (button === null || field.value !== shown) return; // the server handles it
    event.preventDefault();
    use(button);
  });
  ask(); // for what was typed before this script ran
}

const rules = document.querySelector("textarea[data-preview]");
if (rules) tryWhileTyping(rules);
