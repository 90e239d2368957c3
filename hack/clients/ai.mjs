// The calls of the AI SDK, which are the same in all its versions and with all its providers.
import { join, prompt, story, sunny, weather } from './call.mjs'

// callsOf are the calls of a language model, by the name of its API.
export function callsOf(ai, api, model) {
  const { generateText, jsonSchema, Output, streamText, tool } = ai
  const tools = {
    [weather.name]: tool({ description: weather.description, inputSchema: jsonSchema(weather.schema), execute: async () => sunny }),
  }
  // Errors of a stream are in the stream: textStream leaves them out.
  const textOf = ({ fullStream }) => join(fullStream, (part) => {
    if (part.type === 'error') throw part.error
    return part.type === 'text-delta' ? part.text : ''
  })
  return {
    [api]: async () => (await generateText({ model, prompt })).text,
    [`${api}Stream`]: () => textOf(streamText({ model, prompt, onError() {} })),
    // Two steps: the tool is called, and its result is answered.
    [`${api}Tool`]: async () => {
      const result = streamText({ model, prompt, tools, stopWhen: (ai.stepCountIs ?? ai.isStepCount)(2), onError() {} })
      const text = await textOf(result)
      const called = (await result.steps)[0]
      return `${called.toolCalls[0].toolName} is ${called.toolResults[0].output}: ${text}`
    },
    [`${api}Object`]: async () => {
      const output = Output.object({ schema: jsonSchema(story.schema) })
      const result = await generateText({ model, prompt, output, experimental_output: output })
      return (result.output ?? result.experimental_output).title
    },
  }
}

// embeddingOf is the call of an embedding model.
export async function embeddingOf(ai, model) {
  const { embedding } = await ai.embed({ model, value: 'one two three' })
  return `${embedding.length} numbers`
}
