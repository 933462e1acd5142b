// SPDX-License-Identifier: Apache-2.0
//
// Charges cards through a bank that declines some, is slow at times and breaks now and then.
import { randomUUID } from 'node:crypto';
import { between, call, chance, HttpError, log, serve, sleep } from './common.mjs';

const self = `http://127.0.0.1:${process.env.PORT}`;

serve((app) => {
  app.post('/charges', async (req, res) => {
    const { user, card, amount } = req.body;
    if (card === 'expired') throw new HttpError(402, 'the card has expired');
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await call(self, '/bank/authorizations', { amount });
        log.info({ user, amount, attempt }, 'card charged');
        res.status(201).json({ id: answer.id });
        return;
      } catch (err) {
        if (err.status !== 503 || attempt === 3) throw err;
        log.warn({ attempt }, 'the bank is busy, trying again');
        await sleep(50 * 2 ** attempt);
      }
    }
  });

  app.post('/bank/authorizations', async (req, res) => {
    await sleep(chance(0.06) ? between(900, 2500) : between(20, 90));
    if (chance(0.05)) throw new HttpError(503, 'bank: too many connections');
    if (chance(0.02)) throw new Error('bank: connection reset by peer');
    if (req.body.amount > 200000 && chance(0.5)) throw new HttpError(402, 'declined: over the limit');
    res.status(201).json({ id: randomUUID() });
  });
});
