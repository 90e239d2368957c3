// The calls of the AI SDK through its gateway provider, which every model named by a string
// alone has. They are the same in all its versions.
import { callsOf, embeddingOf } from './ai.mjs'
import { base, key, run } from './call.mjs'

export async function runGateway(ai, path) {
  const gateway = ai.createGateway({ baseURL: base(path), apiKey: key })

  await run({
    ...callsOf(ai, 'chat', gateway('openai/gpt-4o-mini')),
    embeddings: () => embeddingOf(ai, (gateway.embeddingModel ?? gateway.textEmbeddingModel)('openai/text-embedding-3-small')),
    models: async () => (await gateway.getAvailableModels()).models.map((m) => m.id).join(' '),
    credits: async () => (await gateway.getCredits()).balance,
  })
}
