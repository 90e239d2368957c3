import * as ai from 'ai'
import { createOpenAI } from '@ai-sdk/openai'
import { callsOf, embeddingOf } from './ai.mjs'
import { base, key, run } from './call.mjs'

const openai = createOpenAI({ baseURL: base('/v1'), apiKey: key })

await run({
  ...callsOf(ai, 'chat', openai.chat('gpt-4o-mini')),
  ...callsOf(ai, 'responses', openai('gpt-4o-mini')),
  embeddings: () => embeddingOf(ai, openai.embedding('text-embedding-3-small')),
})
