import * as ai from 'ai7'
import { runGateway } from './gateway.mjs'

await runGateway(ai, '/v4/ai')
