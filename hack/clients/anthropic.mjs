import Anthropic from '@anthropic-ai/sdk'
import { base, join, key, prompt, run, story, sunny, weather } from './call.mjs'

const client = new Anthropic({ baseURL: base(''), apiKey: key })
const message = { model: 'claude-sonnet-4-5', max_tokens: 50, messages: [{ role: 'user', content: prompt }] }

await run({
  messages: async () => (await client.messages.create(message)).content[0].text,
  helpers: async () => {
    const { max_tokens, ...counted } = message
    const { input_tokens } = await client.messages.countTokens(counted)
    return `${(await client.models.retrieve(message.model)).id}: ${input_tokens > 0}`
  },
  messagesStream: async () => join(client.messages.stream(message), (e) => e.delta?.text),
  // The runner has the model call the tool, and tells it the result. Both answers are streamed.
  messagesTool: async () => {
    let called
    const tool = {
      name: weather.name, description: weather.description, input_schema: weather.schema,
      parse: (input) => input, run: () => { called = weather.name; return sunny },
    }
    const said = await client.beta.messages.toolRunner({ ...message, stream: true, tools: [tool] }).runUntilDone()
    return `${called} is ${sunny}: ${said.content[0].text}`
  },
  messagesObject: async () => {
    const output_config = { format: { type: 'json_schema', schema: story.schema } }
    return JSON.parse((await client.messages.create({ ...message, output_config })).content[0].text).title
  },
})
