// The chart on screen as a PNG with its queries above it.

export function chartPng(
  box: HTMLElement,
  title: string[],
  colors: { background: string; ink: string },
): Promise<Blob | null> {
  const source = box.querySelector('canvas')
  if (source === null) {
    return Promise.resolve(null)
  }
  const ratio = window.devicePixelRatio || 1
  const line = 18 * ratio
  const pad = 12 * ratio
  const head = pad + title.length * line
  const out = document.createElement('canvas')
  out.width = source.width + 2 * pad
  out.height = source.height + head + pad
  const ctx = out.getContext('2d')
  if (ctx === null) {
    return Promise.resolve(null)
  }
  ctx.fillStyle = colors.background
  ctx.fillRect(0, 0, out.width, out.height)
  ctx.fillStyle = colors.ink
  ctx.font = `${12 * ratio}px ui-monospace, monospace`
  ctx.textBaseline = 'top'
  title.forEach((text, i) => {
    ctx.fillText(text, pad, pad + i * line, out.width - 2 * pad)
  })
  ctx.drawImage(source, pad, head)
  return new Promise(resolve => out.toBlob(resolve, 'image/png'))
}
