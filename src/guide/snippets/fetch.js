fetch(window.location.origin + '/call', {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    'X-API-KEY': 'YOUR_API_KEY'
  },
  body: JSON.stringify({
    model: 'sale.order',
    method: 'search_read',
    args: [[]],
    kwargs: { limit: 5, fields: ['name', 'state'] }
  })
})
.then(res => res.json())
.then(data => console.log(data));
