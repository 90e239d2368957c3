import Anthropic from '@anthropic-ai/sdk'
import { join, key, prompt, run, url } from './call.mjs'

const client = new Anthropic({ baseURL: url, apiKey: key })
const message = { model: 'claude-sonnet-4-5', max_tokens: 50, messages: [{ role: 'user', content: prompt }] }

await run({
  messages: async () => (await client.messages.create(message)).content[0].text,
  messagesStream: async () => join(client.messages.stream(message), (e) => e.delta?.text),
})
