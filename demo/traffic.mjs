// SPDX-License-Identifier: Apache-2.0
//
// Customers: a calm stream with a rush every minute, a few mistakes, several requests at a time.
const { CHECKOUT_URL } = process.env;
const GOODS = ['lantern', 'torch', 'drum', 'flag', 'atlas', 'rope'];
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function request(method, path, body) {
  try {
    const answer = await fetch(CHECKOUT_URL + path, {
      method, headers: { 'content-type': 'application/json', 'user-agent': pick(['shop-app/3.2', 'Mozilla/5.0 (X11; Linux x86_64)']) },
      body: body && JSON.stringify(body), signal: AbortSignal.timeout(15000),
    });
    await answer.arrayBuffer();
  } catch {
    // the services are starting or stopping; their own logs tell
  }
}

async function customer() {
  const user = `user-${1 + Math.floor(Math.random() * 40)}`;
  await request('GET', '/');
  await Promise.all(Array.from({ length: 1 + Math.floor(Math.random() * 3) }, () => request('GET', `/products/${pick(GOODS)}`)));
  const dice = Math.random();
  if (dice < 0.03) return request('GET', '/products/teapot');
  if (dice < 0.05) return request('POST', '/checkout', { user });
  if (dice < 0.06) return request('GET', '/wp-login.php');
  const items = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, () => pick(GOODS));
  return request('POST', '/checkout', { user, items, card: Math.random() < 0.04 ? 'expired' : 'valid' });
}

const started = Date.now();
for (;;) {
  const second = Math.floor((Date.now() - started) / 1000) % 60;
  customer();
  await sleep(second >= 45 ? 120 : 500 + 400 * Math.sin(second / 7));
}
