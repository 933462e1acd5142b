import '@/app/mantine.css'
import '@/app/global.css'
import { createRoot } from 'react-dom/client'
import { App } from '@/app/App'
import { initI18n } from '@/i18n'

const root = document.getElementById('root')
if (root === null) {
  throw new Error('no #root element')
}
await initI18n()
createRoot(root).render(<App />)
