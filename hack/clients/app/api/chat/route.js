// app/api/chat/route.js: the application's users call models through its server.
import { createOpenAI } from '@ai-sdk/openai'
import { streamText } from 'ai'
import { currentUser } from '../../lib/session.js'

const bursar = createOpenAI({ baseURL: process.env.BURSAR_BASE_URL, apiKey: process.env.BURSAR_API_KEY })

export async function POST(request) {
  const user = await currentUser(request)
  if (!user) return new Response('Sign in first.', { status: 401 })
  const { prompt } = await request.json()
  const result = streamText({
    model: bursar.chat('gpt-4o-mini'),
    prompt,
    // From the server's own session, and never from what the browser sent.
    headers: { 'X-Bursar-User': user.email, 'X-Bursar-Tier': user.role },
    onError: ({ error }) => console.error(error.message),
  })
  return result.toTextStreamResponse()
}
