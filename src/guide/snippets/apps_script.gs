var ODOO_BRIDGE_URL = "ODOOBRIDGEORIGIN/call";

// The key is the script property ODOO_BRIDGE_KEY (Project Settings, Script Properties).
function apiExecuteGateway(model, method, args, kwargs) {
  var key = PropertiesService.getScriptProperties().getProperty("ODOO_BRIDGE_KEY");
  if (!key) throw new Error("Set the script property ODOO_BRIDGE_KEY to your API key.");
  var payload = { "model": model, "method": method, "args": args || [], "kwargs": kwargs || {} };
  var options = {
    "method": "post",
    "contentType": "application/json",
    "headers": { "X-API-KEY": key },
    "payload": JSON.stringify(payload),
    "muteHttpExceptions": true
  };
  var response = UrlFetchApp.fetch(ODOO_BRIDGE_URL, options);
  var json = JSON.parse(response.getContentText());
  if (!json.success) throw new Error(json.error || "API Error");
  return json.data;
}

function logSaleOrders() {
  var orders = apiExecuteGateway("sale.order", "search_read", [[]], { "limit": 5, "fields": ["name", "state"] });
  Logger.log(JSON.stringify(orders, null, 2));
}
