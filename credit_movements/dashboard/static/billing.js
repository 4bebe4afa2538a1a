// Account > Billing: the parts of the page, each shown by its own module.
import {account, byId} from "./parts.js";
import {showAlerts} from "./alerts.js";
import {showExport} from "./export.js";
import {showSpending} from "./spending.js";

byId("account").value = account;
byId("who").addEventListener("submit", (event) => {
  event.preventDefault();
  location.search = new URLSearchParams({account: byId("account").value}).toString();
});
showExport();
showSpending();
showAlerts();
