// Passkeys: what only a script can ask the browser for. Buttons say by data-passkey what they do.
const post = async (path, body) => {
  const answer = await fetch('/api/' + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) throw Error(said.error);
  return said;
};
const acts = {
  // Both: the question, what the device says, and the answer.
  'sign-in': async (form) => {
    const { options, ceremony } = await post('ask_for_passkey');
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const credential = await navigator.credentials.get({ publicKey });
    const next = form.querySelector('[name=next]')?.value;
    return (await post('sign_in_with_passkey', { ceremony, credential, next })).next;
  },
  add: async (form) => {
    const { options, ceremony } = await post('ask_for_new_passkey');
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({ publicKey });
    await post('add_passkey', { ceremony, credential, name: form.querySelector('[name=passkey]').value });
    return '/account/security';
  },
};
addEventListener('click', async ({ target }) => {
  const button = target.closest('[data-passkey]');
  if (!button || button.disabled) return;
  const place = button.parentElement;
  const tell = (text) => (button.nextElementSibling.textContent = text);
  button.disabled = true;
  tell('');
  try {
    if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) throw Error('This browser has no passkeys here: they need https, or localhost.');
    location.assign(await acts[button.dataset.passkey](place));
  } catch (error) {
    // The browser's own words are for programmers.
    tell(error instanceof DOMException ? (error.name === 'InvalidStateError' ? 'This device has a passkey for this account already.' : 'No passkey was given.') : error.message);
    button.disabled = false;
  }
});
