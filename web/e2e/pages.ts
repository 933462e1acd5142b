// Page objects: how a test finds things, by role and name, in English.
import type { Locator, Page } from 'playwright-core'

export class Shell {
  constructor(readonly page: Page) {}

  readonly menu = (name: string): Locator =>
    this.page.getByRole('navigation', { name: 'Main menu' }).getByRole('link', { name })
  readonly heading = (name: string | RegExp): Locator => this.page.getByRole('heading', { level: 1, name })
  readonly search = (): Locator => this.page.getByRole('textbox', { name: /Trace id, host/ })

  async open(path: string): Promise<void> {
    await this.page.goto(path)
    await this.page.getByRole('heading', { level: 1 }).first().waitFor()
  }

  async pause(): Promise<void> {
    const live = this.page.getByRole('button', { name: /Pause live mode/ })
    if (await live.isVisible()) {
      await live.click()
    }
  }
}

export class Chart {
  constructor(
    readonly page: Page,
    readonly root: Locator,
  ) {}

  readonly canvas = (): Locator => this.root.locator('canvas').first()

  /** Drags over the middle of the chart, which zooms the page's time range. */
  async drag(): Promise<void> {
    const over = this.root.locator('.u-over').first()
    await over.scrollIntoViewIfNeeded()
    const box = await over.boundingBox()
    if (box === null) {
      throw new Error('the chart has no size')
    }
    const y = box.y + box.height / 2
    await this.page.mouse.move(box.x + box.width * 0.3, y)
    await this.page.mouse.down()
    await this.page.mouse.move(box.x + box.width * 0.5, y, { steps: 4 })
    await this.page.mouse.move(box.x + box.width * 0.7, y, { steps: 4 })
    await this.page.mouse.up()
  }
}

export class Metrics {
  constructor(readonly page: Page) {}

  readonly editor = (letter: string): Locator =>
    this.page.getByRole('textbox', { name: `PromQL of query ${letter}` })
  readonly row = (letter: string): Locator =>
    this.editor(letter).locator('xpath=ancestor::div[contains(@class,"editorBox")]')
  readonly tab = (name: string): Locator => this.page.getByText(name, { exact: true })
  readonly chart = (): Locator => this.page.getByRole('img', { name: /Query result/ }).locator('canvas')

  async type(letter: string, promql: string): Promise<void> {
    const editor = this.editor(letter)
    await editor.click()
    await this.page.keyboard.press('Control+A')
    // inserted as one piece: brackets are not closed and no completion list opens
    await this.page.keyboard.insertText(promql)
    await this.page.keyboard.press('Control+Enter')
  }
}

export class Login {
  constructor(readonly page: Page) {}

  async submit(user: string, password: string): Promise<void> {
    await this.page.getByRole('textbox', { name: 'User name' }).fill(user)
    await this.page.getByLabel('Password', { exact: true }).fill(password)
    await this.page.getByRole('button', { name: 'Log in' }).click()
  }

  async makeFirstAdmin(user: string, password: string): Promise<void> {
    await this.page.getByRole('textbox', { name: 'User name' }).fill(user)
    await this.page.getByLabel('Password', { exact: true }).fill(password)
    await this.page.getByLabel('Password again').fill(password)
    await this.page.getByRole('button', { name: 'Create and log in' }).click()
  }
}
