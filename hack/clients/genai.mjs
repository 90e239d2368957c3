import { GoogleGenAI } from '@google/genai'
import { base, join, key, prompt, run, story, sunny, weather } from './call.mjs'

const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base('') } })
const content = { model: 'gemini-2.5-flash', contents: prompt }

await run({
  generateContent: async () => (await client.models.generateContent(content)).text,
  generateContentStream: async () => join(await client.models.generateContentStream(content), (c) => c.text),
  helpers: async () => {
    const { totalTokens } = await client.models.countTokens(content)
    return `${(await client.models.get({ model: content.model })).name}: ${totalTokens > 0}`
  },
  generateContentTool: async () => {
    const declaration = { name: weather.name, description: weather.description, parametersJsonSchema: weather.schema }
    const config = { tools: [{ functionDeclarations: [declaration] }] }
    const called = await client.models.generateContent({ ...content, config })
    const { name } = called.functionCalls[0]
    const contents = [
      { role: 'user', parts: [{ text: prompt }] }, called.candidates[0].content,
      { role: 'user', parts: [{ functionResponse: { name, response: { output: sunny } } }] },
    ]
    const said = await join(await client.models.generateContentStream({ ...content, contents, config }), (c) => c.text)
    return `${name} is ${sunny}: ${said}`
  },
  generateContentObject: async () => {
    const config = { responseMimeType: 'application/json', responseJsonSchema: story.schema }
    return JSON.parse((await client.models.generateContent({ ...content, config })).text).title
  },
})
