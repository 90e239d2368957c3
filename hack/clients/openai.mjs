import OpenAI from 'openai'
import { join, key, prompt, run, url } from './call.mjs'

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key })
const chat = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: prompt }] }
const response = { model: 'gpt-4o-mini', input: prompt }

await run({
  chat: async () => (await client.chat.completions.create(chat)).choices[0].message.content,
  chatStream: async () => join(await client.chat.completions.create({ ...chat, stream: true }), (c) => c.choices[0]?.delta.content),
  responses: async () => (await client.responses.create(response)).output_text,
  responsesStream: async () =>
    join(await client.responses.create({ ...response, stream: true }), (e) => (e.type === 'response.output_text.delta' ? e.delta : '')),
  embeddings: async () => {
    const answer = await client.embeddings.create({ model: 'text-embedding-3-small', input: 'one two three' })
    return `${answer.data[0].embedding.length} numbers`
  },
})
