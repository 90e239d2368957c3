import Anthropic from '@anthropic-ai/sdk'
import { base, join, key, prompt, run, story, sunny, weather } from './call.mjs'

const client = new Anthropic({ baseURL: base(''), apiKey: key })
const message = { model: 'claude-sonnet-4-5', max_tokens: 50, messages: [{ role: 'user', content: prompt }] }

// toolOf is the tool, as the runner calls it.
function toolOf(called) {
  const { name, description, schema } = weather
  return { name, description, input_schema: schema, parse: (input) => input, run: () => { called(); return sunny } }
}

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
    const tools = [toolOf(() => { called = weather.name })]
    const said = await client.beta.messages.toolRunner({ ...message, stream: true, tools }).runUntilDone()
    return `${called} is ${sunny}: ${said.content[0].text}`
  },
  // Anthropic keeps what was said.
  thread: async () => {
    const { messages, ...params } = message
    const thread = client.beta.messages.thread({ ...params, system: 'Be brief.' })
    await thread.send(messages)
    await thread.stream(messages).finalMessage()
    return (await thread.send(messages)).content[0].text
  },
  unbounded: async () => {
    const runner = client.beta.messages.toolRunner({ ...message, model: 'claude-unbounded', tools: [toolOf(() => {})] })
    return (await runner.runUntilDone()).content[0].text
  },
  messagesObject: async () => {
    const output_config = { format: { type: 'json_schema', schema: story.schema } }
    return JSON.parse((await client.messages.create({ ...message, output_config })).content[0].text).title
  },
})
