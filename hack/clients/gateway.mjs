// The calls of the AI SDK through its gateway provider, which every model named by a string
// alone has. They are the same in all its versions.
import { join, key, prompt, run, url } from './call.mjs'

export async function runGateway(ai, base) {
  const { createGateway, embed, generateText, jsonSchema, streamText, tool } = ai
  const gateway = createGateway({ baseURL: `${url}${base}`, apiKey: key })
  const model = gateway('openai/gpt-4o-mini')
  const tools = { weather: tool({ description: 'The weather', inputSchema: jsonSchema({ type: 'object', properties: {} }), execute: async () => 'sunny' }) }

  await run({
    chat: async () => (await generateText({ model, prompt })).text,
    // Errors of a stream are in the stream: textStream leaves them out.
    chatStream: () => join(streamText({ model, prompt, onError() {} }).fullStream, (part) => {
      if (part.type === 'error') throw part.error
      return part.type === 'text-delta' ? part.text : ''
    }),
    embeddings: async () => {
      const model = (gateway.embeddingModel ?? gateway.textEmbeddingModel)('openai/text-embedding-3-small')
      return `${(await embed({ model, value: 'one two three' })).embedding.length} numbers`
    },
    tool: async () => {
      const { toolCalls, toolResults } = await generateText({ model, prompt, tools })
      return `${toolCalls[0].toolName} is ${toolResults[0].output}`
    },
    models: async () => (await gateway.getAvailableModels()).models.map((m) => m.id).join(' '),
    credits: async () => (await gateway.getCredits()).balance,
  })
}
