// SPDX-License-Identifier: Apache-2.0
//
// Knows the goods. The atlas lies in the far store room and takes its time.
import { between, chance, HttpError, log, serve, sleep } from './common.mjs';

const STOCK = new Map([
  ['lantern', { price: 12000, left: 500 }], ['torch', { price: 4500, left: 900 }], ['drum', { price: 88000, left: 40 }],
  ['flag', { price: 7000, left: 300 }], ['atlas', { price: 54000, left: 60 }], ['rope', { price: 3000, left: 5 }],
]);
const reservations = new Map();
let next = 1;

serve((app) => {
  app.get('/items/:sku', async (req, res) => {
    const item = STOCK.get(req.params.sku);
    if (!item) throw new HttpError(404, `no item ${req.params.sku}`);
    await sleep(req.params.sku === 'atlas' ? between(400, 1200) : between(2, 25));
    res.json({ sku: req.params.sku, ...item });
  });

  app.post('/reservations', async (req, res) => {
    for (const sku of req.body.items) {
      const item = STOCK.get(sku);
      if (item.left <= 0) {
        log.warn({ sku }, 'out of stock, ordering more');
        setTimeout(() => { item.left = 50; }, between(3000, 10000));
        throw new HttpError(409, `${sku} is out of stock`);
      }
    }
    await sleep(between(3, 15));
    if (chance(0.005)) throw new Error('lock wait timeout on table stock');
    for (const sku of req.body.items) STOCK.get(sku).left--;
    reservations.set(next, req.body.items);
    res.status(201).json({ id: next++ });
  });

  app.post('/reservations/:id/release', (req, res) => {
    const items = reservations.get(Number(req.params.id)) ?? [];
    for (const sku of items) STOCK.get(sku).left++;
    reservations.delete(Number(req.params.id));
    log.info({ reservation: Number(req.params.id), items: items.length }, 'reservation released');
    res.json({ released: items.length });
  });
});
