import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { base, key, run } from './call.mjs'
import { callsOf } from './langchain.mjs'

const options = { model: 'gpt-4o-mini', apiKey: key, configuration: { baseURL: base('/v1') } }

await run({
  ...callsOf('chat', new ChatOpenAI(options)),
  ...callsOf('responses', new ChatOpenAI({ ...options, useResponsesApi: true })),
  embeddings: async () => {
    const vector = await new OpenAIEmbeddings({ ...options, model: 'text-embedding-3-small' }).embedQuery('one two three')
    return `${vector.length} numbers`
  },
})
