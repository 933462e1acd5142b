// npm ci, but only when package-lock.json changed since the last time: several build folders share one
// node_modules.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const web = fileURLToPath(new URL('../', import.meta.url))
const stamp = `${web}node_modules/.lock-hash`
const hash = createHash('sha256')
  .update(readFileSync(`${web}package-lock.json`))
  .digest('hex')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== hash) {
  const run = spawnSync('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund'], {
    cwd: web,
    stdio: 'inherit',
  })
  if (run.status !== 0) {
    process.exit(run.status ?? 1)
  }
  writeFileSync(stamp, hash)
}
