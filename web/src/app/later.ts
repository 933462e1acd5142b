// What is fetched after the first load: a page or a piece of the frame, with the parts of the texts it shows and
// the styles of the components that the first page does not have.
import { withTexts } from '@/i18n'
import type { Part } from '@/i18n/texts'

/** An importer with texts and styles; the styles are asked for first, so that a page's own styles come after them. */
export function later<M>(parts: Part[], load: () => Promise<M>): () => Promise<M> {
  return async () => {
    const styles = import('@/app/mantineMore.css')
    const [module] = await Promise.all([withTexts(parts, load)(), styles])
    return module
  }
}
