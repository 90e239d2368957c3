import * as ai from 'ai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { callsOf, embeddingOf } from './ai.mjs'
import { base, key, run } from './call.mjs'

const bursar = createOpenAICompatible({ name: 'bursar', baseURL: base('/v1'), apiKey: key, supportsStructuredOutputs: true })

await run({
  ...callsOf(ai, 'chat', bursar('gpt-4o-mini')),
  embeddings: () => embeddingOf(ai, bursar.embeddingModel('text-embedding-3-small')),
})
