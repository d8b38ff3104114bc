curl -X POST ODOOBRIDGEORIGIN/call \
  -H "Content-Type: application/json" \
  -H "X-API-KEY: YOUR_API_KEY" \
  -d '{
    "model": "sale.order",
    "method": "search_read",
    "args": [[]],
    "kwargs": { "limit": 5, "fields": ["name"] }
  }'
