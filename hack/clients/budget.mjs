// The route handlers of a Next.js application (App Router) that show a user's budget, called as Next.js
// calls them. The test has compiled them.
import { run } from './call.mjs'

const { GET, POST } = await import('./built/budget/route.mjs')
const said = async (response) => `${response.status} ${await response.text()}`

await run({
  see: async () => said(await GET()),
  ask: async () => said(await POST(new Request('https://shop.example/api/budget', { method: 'POST', body: process.env.BODY }))),
})
