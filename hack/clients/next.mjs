// The route handler of a Next.js application (App Router), called as Next.js calls it, by whoever
// the argument says is signed in.
import { base, key, prompt, run } from './call.mjs'

process.env.BURSAR_BASE_URL = base('/v1')
process.env.BURSAR_API_KEY = key
const { POST } = await import('./app/api/chat/route.js')

const ask = (session) => async () => {
  const response = await POST(new Request('https://shop.example/api/chat', {
    method: 'POST', body: JSON.stringify({ prompt }), headers: { cookie: `theme=dark; session=${session}`, 'X-Bursar-User': 'eve@shop.example' },
  }))
  return `${response.status} ${await response.text()}`
}

await run({ ana: ask('session-of-ana'), bo: ask('session-of-bo'), root: ask('session-of-root'), nobody: ask('') })
