// SPDX-License-Identifier: Apache-2.0
//
// Takes orders: looks up all items at once, reserves them, then charges the card.
import { between, call, HttpError, log, serve, sleep } from './common.mjs';

const { INVENTORY_URL, PAYMENT_URL } = process.env;
let orders = 0;

serve((app) => {
  app.get('/', async (_req, res) => {
    await sleep(between(1, 8));
    res.json({ shop: 'open' });
  });

  app.get('/products/:sku', async (req, res) => {
    res.json(await call(INVENTORY_URL, `/items/${encodeURIComponent(req.params.sku)}`));
  });

  app.post('/checkout', async (req, res) => {
    const { user, items = [], card } = req.body;
    if (!user || items.length === 0) throw new HttpError(400, 'an order needs a user and items');
    log.info({ user, items: items.length }, 'order received');
    const found = await Promise.all(items.map((sku) => call(INVENTORY_URL, `/items/${encodeURIComponent(sku)}`)));
    const total = found.reduce((sum, item) => sum + item.price, 0);
    const reservation = await call(INVENTORY_URL, '/reservations', { items });
    try {
      const payment = await call(PAYMENT_URL, '/charges', { user, card, amount: total });
      orders++;
      log.info({ user, total, payment: payment.id, orders }, 'order placed');
      res.status(201).json({ order: orders, total });
    } catch (err) {
      log.warn({ user, total, reservation: reservation.id }, 'payment failed, releasing the reservation');
      await call(INVENTORY_URL, `/reservations/${reservation.id}/release`, {});
      throw new HttpError(err.status === 402 ? 402 : 502, err.message);
    }
  });
});
