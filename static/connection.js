// Says so where a page that watches a run cannot reach the site, and takes it back when it can again.
"use strict";

function sayOfTheConnection(text) {
  const line = document.getElementById("connection");
  if (line && line.textContent !== text) line.textContent = text;
}

for (const name of ["htmx:sendError", "htmx:responseError"]) {
  document.body.addEventListener(name, () => sayOfTheConnection("No connection; trying again."));
}
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) sayOfTheConnection("");
});
