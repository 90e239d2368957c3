import * as ai from 'ai5'
import { runGateway } from './gateway.mjs'

await runGateway(ai, '/v1/ai')
