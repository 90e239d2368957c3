import { ChatAnthropic } from '@langchain/anthropic'
import { base, key, run } from './call.mjs'
import { callsOf } from './langchain.mjs'

const model = new ChatAnthropic({ model: 'claude-sonnet-4-5', apiKey: key, anthropicApiUrl: base(''), maxTokens: 50 })

await run(callsOf('messages', model))
