import * as ai from 'ai'
import { runGateway } from './gateway.mjs'

await runGateway(ai, '/v3/ai')
