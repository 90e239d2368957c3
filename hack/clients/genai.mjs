import { GoogleGenAI } from '@google/genai'
import { join, key, prompt, run, url } from './call.mjs'

const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } })
const content = { model: 'gemini-2.5-flash', contents: prompt }

await run({
  generateContent: async () => (await client.models.generateContent(content)).text,
  generateContentStream: async () => join(await client.models.generateContentStream(content), (c) => c.text),
})
