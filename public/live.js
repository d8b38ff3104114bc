// What streams in. The switch of a live list: new rows come to the top of its table.
let source, box, since, count, watch, told = 0;
const tell = (text) => (box.lastElementChild.textContent = text);
const press = (on) => box.firstElementChild.setAttribute('aria-pressed', on);
const close = () => (clearInterval(watch), source?.close(), (source = 0));
const stop = (text) => (close(), press(false), tell(text));
const add = ({ data, lastEventId }) => {
  const rows = box.isConnected && document.getElementById('calls');
  if (!rows) return close();
  rows.insertAdjacentHTML('afterbegin', data);
  while (rows.rows.length > 200) rows.lastElementChild.remove();
  rows.closest('.table-wrap').hidden = false;
  document.getElementById('no-calls')?.remove();
  since = lastEventId;
  count++;
  // Not with each row: it is read out.
  if (Date.now() > told + 5e3) (told = Date.now()), tell(count + ' new');
};
const open = () => {
  source = new EventSource(box.dataset.live + '&since=' + since);
  // Another page came in its place, without a load.
  watch = setInterval(() => box.isConnected || close(), 1e3);
  source.onopen = () => tell('Live');
  source.onerror = () => (source.readyState > 1 ? stop('Not possible now') : tell('Connecting'));
  source.addEventListener('call', add);
  source.addEventListener('cut', (event) => tell(event.data));
  source.addEventListener('over', (event) => stop(event.data));
};
addEventListener('click', ({ target }) => {
  const at = target.closest('[data-live] button')?.parentElement;
  if (!at) return;
  if (at !== box) close(), (box = at), (since = at.dataset.since ?? ''), (count = 0);
  if (source) return stop('Not live');
  press(true);
  open();
});
document.onvisibilitychange = () => {
  if (box?.isConnected && box.querySelector('[aria-pressed=true]')) document.hidden ? (close(), tell('Paused')) : source || open();
};

// A run of the speed test that goes on: its page follows it.
let run, follows;
const follow = () => {
  const at = document.querySelector('[data-progress]');
  if (at === run) return;
  follows?.close();
  if (!(run = at)) return;
  follows = new EventSource(at.dataset.progress);
  const into = (name, place) => follows.addEventListener(name, ({ data }) => (place.innerHTML = data));
  into('progress', at.firstElementChild);
  into('numbers', document.getElementById('speed-numbers'));
  const again = () => at.isConnected && location.reload();
  let over;
  follows.addEventListener('over', () => (over = true));
  // The stream ends: the run is over, nobody is there for a moment, or there is none for us.
  follows.onerror = ({ target }) => {
    if (over) target.close(), again();
    else if (target.readyState > 1) setTimeout(again, 5e3);
  };
};
new MutationObserver(follow).observe(document.body, { childList: true, subtree: true });
follow();
