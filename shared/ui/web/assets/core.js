// Between our pages and the Datastar client. This file and datastar.go are all
// that knows which version of its protocol and attributes the client speaks: the
// server sends the patch events of Datastar 1.0, and for the 1.0.0-beta.11 client
// they are fired again here as the merge events it understands. A 1.0 client
// needs no more than the removal of that part.

const channel = "datastar-sse"; // where the client says what happens on a stream
const streamID = "stream";      // the element that holds the page's event stream
const silence = 25_000;         // ms without a message after which a stream counts as dead
const patience = 1_200;         // ms without a connection before the reader is told

// ---- patch events as merge events

const modes = { outer: "morph", inner: "inner", replace: "outer", prepend: "prepend", append: "append", before: "before", after: "after" };

function fire(type, elId, argsRaw) {
  document.dispatchEvent(new CustomEvent(channel, { detail: { type, elId, argsRaw } }));
}

function translate(type, elId, a) {
  if (type === "datastar-patch-signals") {
    fire("datastar-merge-signals", elId, { signals: a.signals, onlyIfMissing: a.onlyIfMissing });
  } else if (type === "datastar-patch-elements") {
    const mode = a.mode || "outer";
    if (mode === "remove") {
      fire("datastar-remove-fragments", elId, { selector: a.selector });
      return;
    }
    const args = { fragments: a.elements || "", mergeMode: modes[mode] };
    if (a.selector) args.selector = a.selector;
    fire("datastar-merge-fragments", elId, args);
    ages();
  }
}

// ---- the page's stream: alive, lost, opened again

let heard = Date.now(); // when the stream last said something
let live = false;
let controller = null;
let reopening = 0;

// Options for the expressions in attributes.
globalThis.core = {
  // A stream is closed while its page is hidden and tried again for ever.
  stream() {
    controller = new AbortController();
    return { abort: controller.signal, retryInterval: 250, retryScaler: 1.3, retryMaxWaitMs: 2000, retryMaxCount: 1e9 };
  },
  // A request is sent once, whatever becomes of its answer.
  once: { openWhenHidden: true, retryMaxCount: 0 },
  ask,
};

function reopen() {
  clearTimeout(reopening);
  reopening = setTimeout(() => document.getElementById(streamID)?.dispatchEvent(new Event("reopen")), 500);
}

document.addEventListener(channel, ({ detail: { type, elId, argsRaw } }) => {
  if (elId !== streamID) {
    if (type === "error" && argsRaw.status === "401") location.assign("/login");
    else if (type === "error") toast("The request was refused (" + argsRaw.status + ").");
    else if (type === "retrying") toast("The request did not get through: " + argsRaw.message);
  } else if (type === "error") {
    live = false;
    if (argsRaw.status === "401") location.assign("/login");
  } else if (type === "finished") {
    live = false;
    reopen();
  } else if (type === "retrying" || type === "retries-failed") {
    live = false;
  } else if (type.startsWith("datastar-")) {
    heard = Date.now();
    live = true;
    connection();
  }
  if (argsRaw) translate(type, elId, argsRaw);
});

function connection() {
  const lost = !document.hidden && !live && Date.now() - heard > patience;
  const banner = document.getElementById("banner");
  if (banner && document.documentElement.classList.toggle("lost", lost) === (banner.textContent === "")) {
    banner.textContent = lost ? "Disconnected from the node. Reconnecting…" : "";
  }
}

document.addEventListener("visibilitychange", () => {
  heard = Date.now(); // a hidden page has no stream; do not blame the node
});

// ---- ages, toasts, questions

function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return s + "s";
  if (s < 3600) return Math.floor(s / 60) + "m " + (s % 60) + "s";
  if (s < 86400) return Math.floor(s / 3600) + "h " + Math.floor((s % 3600) / 60) + "m";
  return Math.floor(s / 86400) + "d " + Math.floor((s % 86400) / 3600) + "h";
}

function ages() {
  const now = Date.now();
  for (const t of document.querySelectorAll("time.age")) {
    const text = age(now - Date.parse(t.dateTime));
    if (t.textContent !== text) t.textContent = text;
  }
}

function toast(text) {
  const div = document.createElement("div");
  div.className = "toast bad";
  div.textContent = text;
  document.getElementById("toasts")?.append(div);
}

document.addEventListener("animationend", (e) => {
  if (e.animationName === "leave") e.target.remove();
});

// ask shows a button's question and resolves to whether it was confirmed. A
// button that cannot be used now says why instead; it can be reached all the same.
function ask(button) {
  if (button.ariaDisabled === "true") {
    toast(button.ariaLabel + ": " + button.title + ".");
    return Promise.resolve(false);
  }
  const { question, label } = button.dataset;
  if (!question) return Promise.resolve(true);
  const dialog = document.getElementById("ask");
  dialog.querySelector("p").textContent = question;
  dialog.querySelector("button[value=yes]").textContent = label;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

setInterval(() => {
  ages();
  connection();
  if (live && !document.hidden && Date.now() - heard > silence) {
    live = false;
    controller?.abort(); // "finished" follows and opens it again
  }
}, 1000);
