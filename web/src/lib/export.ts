// Files made in the browser (CSV, JSON lines) and the clipboard.

export function csvCell(v: string | number): string {
  const t = String(v)
  return /[",\r\n]/.test(t) ? `"${t.replaceAll('"', '""')}"` : t
}

export function csv(rows: (string | number)[][]): string {
  return `${rows.map(r => r.map(csvCell).join(',')).join('\r\n')}\r\n`
}

export function download(name: string, type: string, content: string): void {
  downloadBlob(name, new Blob([content], { type }))
}

export function downloadBlob(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob)
  const a = document.createElement('a')
  a.href = url
  a.download = name
  a.click()
  window.setTimeout(() => URL.revokeObjectURL(url), 1_000)
}

/** False when the browser refuses (plain HTTP without a secure context has no clipboard). */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.style.position = 'fixed'
    area.style.opacity = '0'
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}
