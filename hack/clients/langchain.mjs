// The calls of LangChain's chat models, which are the same with all of them.
import { HumanMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { join, prompt, story, sunny, weather } from './call.mjs'

export function callsOf(api, model) {
  const tools = [tool(async () => sunny, weather)]
  // collect is a streamed answer as one message.
  const collect = async (stream) => {
    let all
    for await (const chunk of await stream) all = all ? all.concat(chunk) : chunk
    return all
  }
  return {
    [api]: async () => (await model.invoke(prompt)).text,
    [`${api}Stream`]: async () => join(await model.stream(prompt), (chunk) => chunk.text),
    // The tool is called, and its result is answered. Both answers are streamed.
    [`${api}Tool`]: async () => {
      const able = model.bindTools(tools)
      const asked = new HumanMessage(prompt)
      const called = await collect(able.stream([asked]))
      const result = await tools[0].invoke(called.tool_calls[0])
      const said = await collect(able.stream([asked, called, result]))
      return `${called.tool_calls[0].name} is ${result.content}: ${said.text}`
    },
    [`${api}Object`]: async () => (await model.withStructuredOutput(story.schema, { name: story.name }).invoke(prompt)).title,
  }
}
