// Account > Billing: the parts of the page, each shown by its own module.
import {account, byId} from "./parts.js";
import {showAlerts} from "./alerts.js";
import {showExport} from "./export.js";
import {showSpending} from "./spending.js";

byId("account").value = account;
// A field of one line has no line breaks: who changes nothing stays with the account of the address.
const written = byId("account").value;
byId("who").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = byId("account").value;
  location.search = new URLSearchParams({account: wanted === written ? account : wanted}).toString();
});
showExport();
showSpending();
showAlerts();
