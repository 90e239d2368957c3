import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { embed, generateText, streamText } from 'ai'
import { join, key, prompt, run, url } from './call.mjs'

const bursar = createOpenAICompatible({ name: 'bursar', baseURL: `${url}/v1`, apiKey: key })
const model = bursar('gpt-4o-mini')

await run({
  chat: async () => (await generateText({ model, prompt })).text,
  // Errors of a stream are in the stream: textStream leaves them out.
  chatStream: () => join(streamText({ model, prompt, onError() {} }).fullStream, (part) => {
    if (part.type === 'error') throw part.error
    return part.type === 'text-delta' ? part.text : ''
  }),
  embeddings: async () => {
    const { embedding } = await embed({ model: bursar.embeddingModel('text-embedding-3-small'), value: 'one two three' })
    return `${embedding.length} numbers`
  },
})
