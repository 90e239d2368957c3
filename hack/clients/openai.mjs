import OpenAI from 'openai'
import { base, join, key, prompt, run, story, sunny, weather } from './call.mjs'

const client = new OpenAI({ baseURL: base('/v1'), apiKey: key })
const chat = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: prompt }] }
const response = { model: 'gpt-4o-mini', input: prompt }
const parameters = weather.schema

await run({
  chat: async () => (await client.chat.completions.create(chat)).choices[0].message.content,
  chatStream: async () => join(await client.chat.completions.create({ ...chat, stream: true }), (c) => c.choices[0]?.delta.content),
  // The runner has the model call the tool, and tells it the result. Both answers are streamed.
  chatTool: async () => {
    let called
    const { name, description } = weather
    const tool = { name, description, parameters, parse: JSON.parse, function: () => { called = name; return sunny } }
    const runner = client.chat.completions.runTools({ ...chat, stream: true, tools: [{ type: 'function', function: tool }] })
    const said = await runner.finalContent()
    return `${called} is ${sunny}: ${said}`
  },
  chatObject: async () => {
    const response_format = { type: 'json_schema', json_schema: { ...story, strict: true } }
    return JSON.parse((await client.chat.completions.parse({ ...chat, response_format })).choices[0].message.content).title
  },
  responses: async () => (await client.responses.create(response)).output_text,
  responsesStream: async () =>
    join(await client.responses.create({ ...response, stream: true }), (e) => (e.type === 'response.output_text.delta' ? e.delta : '')),
  responsesTool: async () => {
    const tools = [{ type: 'function', name: weather.name, description: weather.description, parameters, strict: true }]
    const called = await client.responses.stream({ ...response, tools }).finalResponse()
    const { name, call_id } = called.output.find((item) => item.type === 'function_call')
    const input = [{ role: 'user', content: prompt }, ...called.output, { type: 'function_call_output', call_id, output: sunny }]
    const said = await client.responses.stream({ ...response, tools, input }).finalResponse()
    return `${name} is ${sunny}: ${said.output_text}`
  },
  responsesObject: async () =>
    JSON.parse((await client.responses.parse({ ...response, text: { format: { type: 'json_schema', ...story, strict: true } } })).output_text).title,
  compact: async () => (await client.responses.compact(response)).output.at(-1).type,
  helpers: async () => {
    const { input_tokens } = await client.responses.inputTokens.count(response)
    const { results } = await client.moderations.create({ model: 'omni-moderation-latest', input: prompt })
    return `${(await client.models.retrieve('gpt-4o-mini')).id}: ${input_tokens > 0}, ${results[0].flagged}`
  },
  embeddings: async () => {
    const answer = await client.embeddings.create({ model: 'text-embedding-3-small', input: 'one two three' })
    return `${answer.data[0].embedding.length} numbers`
  },
})
