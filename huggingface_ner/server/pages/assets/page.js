// Keeps the page up to date: it fetches the same page again and changes only the parts that differ. So nothing
// flickers, and open, focused and selected parts stay as they are. Without scripts, the page shows the same, but people
// have to reload it.
"use strict";

const TIMEOUT = 10_000;

/** Make an element equal to another one, and change only what differs. */
function update(element, wanted) {
  for (const { name } of [...element.attributes]) {
    // open is not changed, because a person may have opened or closed the element
    if (!wanted.hasAttribute(name) && name !== "open") element.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (element.getAttribute(name) !== value && name !== "open") element.setAttribute(name, value);
  }
  const now = [...element.childNodes];
  const then = [...wanted.childNodes];
  then.forEach((node, index) => {
    const old = now[index];
    if (!old) element.append(document.importNode(node, true));
    else if (isSame(old, node)) {
      if (node.nodeType === Node.ELEMENT_NODE) update(old, node);
      else if (old.data !== node.data) old.data = node.data;
    } else old.replaceWith(document.importNode(node, true));
  });
  now.slice(then.length).forEach((node) => node.remove());
}

/** Return whether two nodes are the same part of the page: they have the same name and id. */
function isSame(one, other) {
  return one.nodeName === other.nodeName && (one.id || "") === (other.id || "");
}

/** Show times in the browser's local format. */
function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) {
      time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    }
  }
}

/** Say of each table that is wider than its place that there is more to see. */
function showSideways() {
  for (const hint of document.querySelectorAll(".sideways")) {
    const place = hint.nextElementSibling;
    hint.hidden = place.scrollWidth <= place.clientWidth;
  }
}

async function refresh() {
  let isUp = false;
  try {
    const headers = { Accept: "text/html" };
    const answer = await fetch(location.href, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
    isUp = answer.ok || answer.status === 404;
    if (isUp) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      localise(page);
      document.title = page.title;
      document.body.dataset.interval = page.body.dataset.interval;
      update(document.getElementById("main"), page.getElementById("main"));
      showSideways();
    }
  } catch {
    isUp = false;
  }
  document.getElementById("offline").hidden = isUp;
}

function schedule() {
  setTimeout(async () => {
    if (!document.hidden) await refresh();
    schedule();
  }, Number(document.body.dataset.interval) * 1000);
}

document.addEventListener("visibilitychange", () => document.hidden || refresh());
window.addEventListener("resize", showSideways);
document.addEventListener("toggle", showSideways, true);
localise(document);
showSideways();
schedule();
