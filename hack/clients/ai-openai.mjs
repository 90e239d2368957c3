import { createOpenAI } from '@ai-sdk/openai'
import { embed, generateText, streamText } from 'ai'
import { join, key, prompt, run, url } from './call.mjs'

const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: key })

// Errors of a stream are in the stream: textStream leaves them out.
async function stream(model) {
  return join(streamText({ model, prompt, onError() {} }).fullStream, (part) => {
    if (part.type === 'error') throw part.error
    return part.type === 'text-delta' ? part.text : ''
  })
}

await run({
  chat: async () => (await generateText({ model: openai.chat('gpt-4o-mini'), prompt })).text,
  chatStream: () => stream(openai.chat('gpt-4o-mini')),
  responses: async () => (await generateText({ model: openai('gpt-4o-mini'), prompt })).text,
  responsesStream: () => stream(openai('gpt-4o-mini')),
  embeddings: async () => {
    const { embedding } = await embed({ model: openai.embedding('text-embedding-3-small'), value: 'one two three' })
    return `${embedding.length} numbers`
  },
})
